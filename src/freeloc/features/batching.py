"""Pieces of many jobs worked on together where they are alike, and every job's results in their turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from freeloc.io.prefetch import prefetch

__all__ = ["grouped", "in_batches", "in_groups"]

Job = TypeVar("Job")
Piece = TypeVar("Piece")
Result = TypeVar("Result")


def grouped(keys: Iterable[Hashable]) -> list[list[int]]:
    """Positions of equal keys, the groups in the order in which their keys first come."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        groups[key].append(position)
    return list(groups.values())


def in_groups(
    work: Callable[[list[Piece]], Sequence[Result]],
    pieces: Sequence[Piece],
    *,
    key: Callable[[Piece], Hashable],
) -> list[Result]:
    """One result for each piece, in order; pieces with one key go to ``work`` together."""
    made: dict[int, Result] = {}
    for group in grouped(map(key, pieces)):
        made.update(zip(group, work([pieces[position] for position in group]), strict=True))
    return [made[position] for position in range(len(pieces))]


def in_batches(
    work: Callable[[list[Piece]], Sequence[Result]],
    jobs: Iterable[tuple[Job, Sequence[Piece]]],
    *,
    key: Callable[[Piece], Hashable],
    window: int,
) -> Iterator[tuple[Job, list[Result]]]:
    """Yield every job with the results of its pieces, in order.

    Of a window of jobs, all pieces with one key go to ``work`` together. Two windows are in work at a time, in a
    thread each, so that one is prepared while the other computes; besides these, only results wait.

    Args:
        work: gives one result for each piece of a group, in order.
        jobs: whatever tells a job, and its pieces; taken a window at a time.
        key: pieces with the same go together.
        window: jobs that are looked at together.
    """

    def worked(part: list[tuple[Job, Sequence[Piece]]]) -> list[tuple[Job, list[Result]]]:
        pieces = [piece for _, own in part for piece in own]
        in_order = iter(in_groups(work, pieces, key=key))
        return [(job, list(islice(in_order, len(own)))) for job, own in part]

    for done in prefetch(worked, _windows(jobs, window), threads=2, depth=1):
        yield from done


def _windows(items: Iterable[Piece], size: int) -> Iterator[list[Piece]]:
    waiting = iter(items)
    while window := list(islice(waiting, size)):
        yield window

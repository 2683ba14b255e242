"""Process items with equal keys, such as canvases of equal shape, in batches; results keep the original order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from freeloc.io.prefetch import prefetch

__all__ = ["group_positions", "in_batches", "in_groups"]

Job = TypeVar("Job")
Item = TypeVar("Item")
Result = TypeVar("Result")


def group_positions(keys: Iterable[Hashable]) -> list[list[int]]:
    """Return the positions of each distinct key, one list per key; the lists are ordered by first position."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        groups[key].append(position)
    return list(groups.values())


def in_groups(
    work: Callable[[list[Item]], Sequence[Result]],
    items: Sequence[Item],
    *,
    key: Callable[[Item], Hashable],
) -> list[Result]:
    """Return one result per item, in order; ``work`` is called once per key, with all items of that key."""
    results: dict[int, Result] = {}
    for group in group_positions(map(key, items)):
        results.update(zip(group, work([items[position] for position in group]), strict=True))
    return [results[position] for position in range(len(items))]


def in_batches(
    work: Callable[[list[Item]], Sequence[Result]],
    jobs: Iterable[tuple[Job, Sequence[Item]]],
    *,
    key: Callable[[Item], Hashable],
    window: int,
) -> Generator[tuple[Job, list[Result]], None, None]:
    """Yield each job with the results of its items, in order.

    Within each window of consecutive jobs, all items with the same key are passed to ``work`` together. Two
    threads process one window each, so that one window is prepared while the other is computed. For all other
    windows, only results are kept in memory.

    Args:
        work: function that returns one result per item of a group, in order.
        jobs: the jobs, as pairs of an identifier and the job's items; consumed window by window.
        key: function that returns an item's key.
        window: number of jobs per window.
    """

    def run_window(part: list[tuple[Job, Sequence[Item]]]) -> list[tuple[Job, list[Result]]]:
        items = [item for _, job_items in part for item in job_items]
        results = iter(in_groups(work, items, key=key))
        return [(job, list(islice(results, len(job_items)))) for job, job_items in part]

    for done in prefetch(run_window, _windows(jobs, window), threads=2, depth=1):
        yield from done


def _windows(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    remaining = iter(items)
    while window := list(islice(remaining, size)):
        yield window

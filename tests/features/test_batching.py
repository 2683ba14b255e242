"""Items are grouped by key, results are in order, and memory is limited to a few windows."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.features.batching import group_positions, in_batches

keys = st.lists(st.integers(0, 4), max_size=30)


@given(keys)
def test_groups_are_a_division_by_key(found: list[int]) -> None:
    groups = group_positions(found)
    assert sorted(itertools.chain(*groups)) == list(range(len(found)))
    for group in groups:
        assert group == sorted(group)
        assert len({found[position] for position in group}) == 1
    assert len(groups) == len(set(found))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=20), st.integers(1, 7))
def test_every_job_gets_its_own_results_in_order(jobs: list[list[int]], window: int) -> None:
    def work(pieces: list[int]) -> list[tuple[int, str]]:
        assert len({piece % 3 for piece in pieces}) == 1, "only what is alike goes together"
        return [(piece, "done") for piece in pieces]

    made = in_batches(work, enumerate(jobs), key=lambda piece: piece % 3, window=window)
    assert list(made) == [(job, [(piece, "done") for piece in own]) for job, own in enumerate(jobs)]


def test_all_of_a_window_that_is_alike_goes_together() -> None:
    groups: list[list[str]] = []
    lock = threading.Lock()

    def work(pieces: list[str]) -> list[str]:
        with lock:
            groups.append(pieces)
        return pieces

    jobs = [(0, ["a1", "b1"]), (1, ["a2"]), (2, ["b2", "a3"]), (3, ["a4"])]
    list(in_batches(work, jobs, key=lambda piece: piece[0], window=3))
    assert sorted(groups) == [["a1", "a2", "a3"], ["a4"], ["b1", "b2"]]


def test_two_windows_are_in_work_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def work(pieces: list[int]) -> list[int]:
        meeting.wait()
        return pieces

    jobs = ((job, [job]) for job in range(4))
    assert len(list(in_batches(work, jobs, key=lambda _: None, window=1))) == 4


def test_jobs_are_taken_a_few_windows_ahead() -> None:
    taken = 0

    def endless() -> Iterator[tuple[int, list[int]]]:
        nonlocal taken
        for job in itertools.count():
            taken += 1
            yield job, [job]

    made = in_batches(lambda pieces: pieces, endless(), key=lambda piece: piece % 2, window=5)
    assert taken == 0
    for done in range(1, 101):
        next(made)
        assert done <= taken <= done + 2 * 5 + 5
    made.close()


def test_an_error_ends_it() -> None:
    def work(pieces: list[int]) -> list[int]:
        if 5 in pieces:
            raise RuntimeError("five")
        return pieces

    made = in_batches(work, ((job, [job]) for job in range(9)), key=lambda _: None, window=2)
    assert [next(made)[0] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="five"):
        next(made)


def test_a_result_too_few_is_noticed() -> None:
    made = in_batches(lambda pieces: pieces[1:], [(0, [1, 2])], key=lambda _: None, window=1)
    with pytest.raises(ValueError, match="shorter"):
        next(made)

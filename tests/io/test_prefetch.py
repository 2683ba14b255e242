"""Prefetching: order of results and errors, bounded memory, and stopping early."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.io.prefetch import prefetch


@pytest.fixture
def workers() -> Callable[[], set[str]]:
    """Return the running prefetch threads that did not run when the test began."""

    def running() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("prefetch")}

    before = running()
    return lambda: {thread.name for thread in running() - before}


@settings(max_examples=25)
@given(st.integers(0, 40), st.integers(1, 4), st.integers(1, 10))
def test_results_come_in_order(count: int, threads: int, depth: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.001 * (item % 3 == 0))  # so that later items overtake
        return item * item

    results = list(prefetch(work, range(count), threads=threads, depth=depth))
    assert results == [item * item for item in range(count)]


def test_work_overlaps() -> None:
    # Each pair of items meets at a barrier: without two running threads, this would never end.
    barrier = threading.Barrier(2, timeout=10)
    assert len(list(prefetch(lambda _: barrier.wait(), range(8), threads=2))) == 8


def test_all_of_many_threads_work() -> None:
    # Sixteen items meet at a barrier: with fewer running threads, this would never end.
    barrier = threading.Barrier(16, timeout=10)
    assert len(list(prefetch(lambda _: barrier.wait(), range(32), threads=16))) == 32


def test_an_error_is_raised_in_place_of_its_result(workers: Callable[[], set[str]]) -> None:
    def work(item: int) -> int:
        if item == 3:
            raise LookupError(f"item {item}")
        return item

    seen = []
    with pytest.raises(LookupError, match="item 3"):
        for result in prefetch(work, range(100), depth=8):
            seen.append(result)
    assert seen == [0, 1, 2]
    assert not workers()


@pytest.mark.parametrize("depth", [1, 4])
def test_memory_is_bounded(depth: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for index in range(50):
            taken += 1
            yield index

    for used, _result in enumerate(prefetch(lambda item: item, items(), depth=depth), start=1):
        # The yielded result, and those computed ahead.
        assert taken - used <= depth
    assert taken == 50


def test_nothing_starts_before_the_first_result_is_requested(workers: Callable[[], set[str]]) -> None:
    taken: list[int] = []
    results = prefetch(taken.append, range(5))
    assert taken == []
    assert not workers()
    results.close()


def test_closing_early_cancels_pending_work(workers: Callable[[], set[str]]) -> None:
    started: list[int] = []
    hold = threading.Event()

    def work(item: int) -> int:
        started.append(item)
        if item > 0:
            hold.wait(10)
        return item

    results = prefetch(work, range(1000), threads=1, depth=20)
    assert next(results) == 0
    threading.Timer(0.5, hold.set).start()
    results.close()
    # Work on item 1 may have started; the twenty items after it never started.
    assert started in ([0], [0, 1])
    assert not workers()


def test_an_error_of_the_consumer_stops_the_work(workers: Callable[[], set[str]]) -> None:
    def consume() -> None:
        results = prefetch(lambda item: item, range(1000))
        try:
            for result in results:
                if result == 5:
                    raise KeyError
        finally:
            results.close()

    with pytest.raises(KeyError):
        consume()
    assert not workers()


def test_an_error_of_the_items_stops_the_work(workers: Callable[[], set[str]]) -> None:
    def items() -> Iterator[int]:
        yield from range(20)
        raise OSError("unplugged")

    seen = []
    with pytest.raises(OSError, match="unplugged"):
        for result in prefetch(lambda item: item, items(), depth=4):
            seen.append(result)
    assert seen == list(range(len(seen)))
    assert not workers()


INTERRUPTED = """
import random, signal, time
from freeloc.io.prefetch import prefetch

def stop(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, stop)
pick = random.Random(0)
for _ in range(400):
    try:
        signal.setitimer(signal.ITIMER_REAL, pick.uniform(0.0001, 0.002))
        for _ in prefetch(lambda item: item, range(10**6)):
            pass
    except KeyboardInterrupt:
        pass
print("done")
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends a signal")
def test_it_ends_wherever_it_is_interrupted() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_a_thread_that_cannot_start(monkeypatch: pytest.MonkeyPatch, is_interrupted: bool) -> None:
    """Python releases a lock twice if the start of a thread is interrupted at the wrong time."""

    def start(_thread: threading.Thread) -> None:
        try:
            raise KeyboardInterrupt if is_interrupted else ValueError
        except (KeyboardInterrupt, ValueError):
            raise RuntimeError("release unlocked lock")  # noqa: B904 - as in Python

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt if is_interrupted else RuntimeError):
        list(prefetch(lambda item: item, [1]))

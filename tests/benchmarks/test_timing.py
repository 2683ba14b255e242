"""Interleaved timings, and time and memory of processes."""

import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.timing import Spread, Task, Timings, interleaved, run_process
from freeloc.errors import FreelocError

seconds = st.floats(1e-4, 1e3)


class Clock:
    """A clock that only advances when a task advances it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_tasks_run_in_turn_and_warm_ups_are_not_timed() -> None:
    clock = Clock()
    calls: list[str] = []

    def task(name: str, duration: float) -> Task:
        def run() -> None:
            calls.append(name)
            clock.now += duration

        return run

    timings = interleaved({"a": task("a", 2), "b": task("b", 5)}, rounds=3, pause=0, clock=clock)
    assert "".join(calls) == "ab" + "ababab"
    assert timings.seconds == {"a": (2, 2, 2), "b": (5, 5, 5)}


def test_a_long_task_can_have_a_shorter_warm_up() -> None:
    calls: list[str] = []
    interleaved(
        {"long": lambda: calls.append("long")},
        rounds=1,
        warm_ups={"long": lambda: calls.append("short")},
        pause=0,
    )
    assert calls == ["short", "long"]


def test_ratios_are_taken_within_rounds() -> None:
    # The machine was four times slower in the second round, and each task was additionally slowed down once.
    timings = Timings({"slow": (10, 40, 30), "fast": (1, 4, 1)})
    assert timings.ratio("slow", "fast").median == 10
    assert timings.spread("slow").median / timings.spread("fast").median == 30


@given(st.lists(seconds, min_size=1, max_size=9))
def test_a_spread_consists_of_median_and_quartiles(values: list[float]) -> None:
    spread = Spread.of(values)
    expected = np.percentile(values, (25, 50, 75))
    assert (spread.low, spread.median, spread.high) == pytest.approx(tuple(expected))
    assert spread.scaled(1e3).median == pytest.approx(1e3 * expected[1])


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=7))
def test_ratios_can_be_inverted(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    timings = Timings({"first": first, "second": second})
    forward, inverse = timings.ratio("first", "second"), timings.ratio("second", "first")
    if len(pairs) % 2:  # the median of an even number of ratios is a mean of two
        assert forward.median * inverse.median == pytest.approx(1)
    assert timings.ratio("first", "first") == Spread(1, 1, 1)


def test_sums_and_differences_are_taken_within_rounds() -> None:
    timings = Timings({"whole": (10, 40, 9), "part": (1, 4, 2), "other": (1, 1, 1)})
    timings = timings.combined("rest", {"whole": 1, "part": -1, "other": -1})
    assert list(timings.seconds["rest"]) == [8, 35, 6]
    assert timings.spread("rest").median == 8
    assert timings.to_dict()["rest"] == {"median": 8000, "low": 7000, "high": 21500}


def test_all_tasks_require_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="same number of rounds"):
        Timings({"a": (1,), "b": (1, 2)})


# --- processes -----------------------------------------------------------------------------------------------

MEGABYTES = 200


def test_memory_is_that_of_the_command() -> None:
    """It does not include the memory of the measuring process, which uses much more."""
    allocated = b"\x01" * (MEGABYTES * 10**6)
    small = run_process([sys.executable, "-c", "pass"], "small")
    large = run_process([sys.executable, "-c", f"b'\\x01' * {MEGABYTES * 10**6}"], "large")
    assert len(allocated) == MEGABYTES * 10**6
    assert 1 < small.peak_mb < MEGABYTES / 2
    assert MEGABYTES < large.peak_mb < MEGABYTES + small.peak_mb + 50


def test_seconds_last_until_the_end() -> None:
    started = time.perf_counter()
    sleeping = run_process([sys.executable, "-c", "import time; time.sleep(0.3)"], "sleep")
    assert 0.3 < sleeping.seconds < time.perf_counter() - started


def test_the_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREELOC_WORD", "passed on")
    code = "import os, sys; print('noise', flush=True); sys.exit(os.environ['FREELOC_WORD'])"
    with pytest.raises(FreelocError, match=r"^it ended with exit code 1: passed on$"):
        run_process([sys.executable, "-c", code], "it")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], "it was ended by signal 9: no output"),
        (["/no/such/program"], "it could not be started: .*No such file"),
    ],
)
def test_a_failing_process(command: list[str], message: str) -> None:
    with pytest.raises(FreelocError, match=message):
        run_process(command, "it")

"""Rounds in turn, and ratios taken within a round."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.timing import Spread, Timings, interleaved

seconds = st.floats(1e-4, 1e3)


class Clock:
    """A clock that only moves when a task moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_tasks_run_in_turn_and_warm_ups_are_not_timed() -> None:
    clock, calls = Clock(), []

    def task(name: str, duration: float):
        def run() -> None:
            calls.append(name)
            clock.now += duration

        return run

    timings = interleaved({"a": task("a", 2), "b": task("b", 5)}, rounds=3, pause=0, clock=clock)
    assert "".join(calls) == "ab" + "ababab"
    assert timings.seconds == {"a": (2, 2, 2), "b": (5, 5, 5)}


def test_a_long_task_may_be_warmed_up_by_less() -> None:
    calls = []
    interleaved(
        {"long": lambda: calls.append("long")},
        rounds=1,
        warm_ups={"long": lambda: calls.append("short")},
        pause=0,
    )
    assert calls == ["short", "long"]


def test_ratios_are_taken_within_rounds() -> None:
    # The machine was four times slower in the second round, and each way was hit once more on its own.
    timings = Timings({"slow": (10, 40, 30), "fast": (1, 4, 1)})
    assert timings.ratio("slow", "fast").median == 10
    assert timings.spread("slow").median / timings.spread("fast").median == 30


@given(st.lists(seconds, min_size=1, max_size=9))
def test_a_spread_holds_median_and_quartiles(values: list[float]) -> None:
    spread = Spread.of(values)
    expected = np.percentile(values, (25, 50, 75))
    assert (spread.low, spread.median, spread.high) == pytest.approx(tuple(expected))
    assert spread.scaled(1e3).median == pytest.approx(1e3 * expected[1])


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=7))
def test_ratios_turn_round(pairs: list[tuple[float, float]]) -> None:
    first, second = map(tuple, zip(*pairs, strict=True))
    timings = Timings({"first": first, "second": second})
    there, back = timings.ratio("first", "second"), timings.ratio("second", "first")
    if len(pairs) % 2:  # the median of an even number of ratios is a mean of two
        assert there.median * back.median == pytest.approx(1)
    assert timings.ratio("first", "first") == Spread(1, 1, 1)


def test_sums_and_differences_are_taken_within_rounds() -> None:
    timings = Timings({"whole": (10, 40, 9), "part": (1, 4, 2), "other": (1, 1, 1)})
    timings = timings.combined("rest", {"whole": 1, "part": -1, "other": -1})
    assert timings.seconds["rest"] == (8, 35, 6)
    assert timings.spread("rest").median == 8
    assert timings.as_json()["rest"] == {"median": 8000, "low": 7000, "high": 21500}


def test_every_task_needs_its_rounds() -> None:
    with pytest.raises(ValueError, match="same number of rounds"):
        Timings({"a": (1,), "b": (1, 2)})

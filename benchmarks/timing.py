"""Fair timing: everything that is compared runs in turn, round after round, and ratios are taken within a round.

A machine that slows down for a minute slows down all of a round. So A, B and C run as A B C A B C, and the ratio
of two is the median of the rounds' ratios, not the ratio of two medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Spread", "Task", "Timings", "interleaved"]

Task = Callable[[], object]

_PAUSE = 0.05
"""Seconds between two tasks: a runtime's threads spin on for a moment when their work is done."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its lower and upper quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Median and quartiles (by linear interpolation) of at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def scaled(self, factor: float) -> Spread:
        """The same in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def as_json(self) -> dict[str, float]:
        """Plain values, four digits."""
        numbers = {"median": self.median, "low": self.low, "high": self.high}
        return {key: float(f"{value:.4g}") for key, value in numbers.items()}


@dataclass(frozen=True)
class Timings:
    """Seconds of several tasks, round by round.

    Attributes:
        seconds: for each task its seconds in every round; all have as many rounds.
    """

    seconds: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        if len({len(rounds) for rounds in self.seconds.values()}) != 1:
            raise ValueError("every task needs the same number of rounds, at least one task")

    def spread(self, name: str) -> Spread:
        """Median and quartiles of one task's seconds."""
        return Spread.of(self.seconds[name])

    def ratio(self, slower: str, faster: str) -> Spread:
        """How many times longer one task takes than another: taken within each round, then the median."""
        pairs = zip(self.seconds[slower], self.seconds[faster], strict=True)
        return Spread.of([long / short for long, short in pairs])

    def combined(self, name: str, signs: Mapping[str, float]) -> Timings:
        """These timings and one more series: within each round, the tasks of ``signs`` times their factors.

        Sums (all factors 1) give what several tasks take together, differences what one does beside another.
        """
        columns = [[factor * value for value in self.seconds[part]] for part, factor in signs.items()]
        together = tuple(sum(values) for values in zip(*columns, strict=True))
        return Timings({**self.seconds, name: together})

    def as_json(self, factor: float = 1e3) -> dict[str, Any]:
        """For each task median and quartiles, by default in milliseconds."""
        return {name: self.spread(name).scaled(factor).as_json() for name in self.seconds}


def interleaved(
    tasks: Mapping[str, Task],
    *,
    rounds: int,
    warm_ups: Mapping[str, Task] | None = None,
    pause: float = _PAUSE,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Run all tasks once a round, in order, and time each.

    Args:
        tasks: what is compared.
        rounds: how often.
        warm_ups: what is run once, untimed, before the first round; by default the tasks themselves. A long task
            may be warmed up by less.
        pause: seconds of rest before each task.
        clock: gives seconds.
    """
    for name, task in tasks.items():
        (task if warm_ups is None else warm_ups[name])()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            time.sleep(pause)
            started = clock()
            task()
            seconds[name].append(clock() - started)
    return Timings({name: tuple(values) for name, values in seconds.items()})

"""Timing of tasks that run in turn, round after round, and of processes, with their peak memory.

If the machine slows down for a minute, the whole round slows down. Tasks A, B and C therefore run as A B C A
B C, and the ratio of two tasks is the median of the ratios of the rounds, not the ratio of the medians.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from freeloc.errors import FreelocError

__all__ = ["ProcessUsage", "Spread", "Task", "Timings", "exhaust", "interleaved", "run_process"]

Task: TypeAlias = Callable[[], object]

_PAUSE = 0.05
"""Seconds between two tasks, because the threads of a runtime keep spinning for a moment after their work."""

# On Linux, the peak memory of a new process starts at that of its parent, which has loaded torch. A small
# process in between avoids that.
_LAUNCHER = """
import json, os, sys, time
to_errors = [(os.POSIX_SPAWN_DUP2, 2, 1)]
started = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=to_errors)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss]))
"""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its lower and upper quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the median and the quartiles (by linear interpolation) of one or more values."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def scaled(self, factor: float) -> Spread:
        """Multiply all values by a factor, to change the unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def to_dict(self) -> dict[str, float]:
        """Return JSON values with four significant digits."""
        numbers = {"median": self.median, "low": self.low, "high": self.high}
        return {key: float(f"{value:.4g}") for key, value in numbers.items()}


@dataclass(frozen=True)
class Timings:
    """Seconds of several tasks in each round.

    Attributes:
        seconds: for each task its seconds in every round; all tasks have the same number of rounds.
    """

    seconds: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        if len({len(rounds) for rounds in self.seconds.values()}) != 1:
            raise ValueError("timings require one or more tasks, all with the same number of rounds")

    def spread(self, name: str) -> Spread:
        """Return the median and the quartiles of one task's seconds."""
        return Spread.of(self.seconds[name])

    def ratio(self, slower: str, faster: str) -> Spread:
        """Return the spread, over the rounds, of the ratio of two tasks' seconds."""
        pairs = zip(self.seconds[slower], self.seconds[faster], strict=True)
        return Spread.of([long / short for long, short in pairs])

    def combined(self, name: str, factors: Mapping[str, float]) -> Timings:
        """Add a task whose seconds are, in each round, a weighted sum of the seconds of other tasks.

        Args:
            name: name of the new task.
            factors: weights of the other tasks; 1 adds the time of a task, −1 subtracts it.
        """
        columns = [[factor * value for value in self.seconds[part]] for part, factor in factors.items()]
        sums = tuple(sum(values) for values in zip(*columns, strict=True))
        return Timings({**self.seconds, name: sums})

    def to_dict(self, factor: float = 1e3) -> dict[str, Any]:
        """Return the median and the quartiles of each task, by default in milliseconds."""
        return {name: self.spread(name).scaled(factor).to_dict() for name in self.seconds}


def interleaved(
    tasks: Mapping[str, Task],
    *,
    rounds: int,
    warm_ups: Mapping[str, Task] | None = None,
    pause: float = _PAUSE,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Run all tasks once per round, in order, and time each of them.

    Args:
        tasks: the tasks to compare.
        rounds: number of rounds.
        warm_ups: tasks to run once, untimed, before the first round; by default the tasks themselves. A long
            task can have a shorter warm-up.
        pause: seconds to sleep before each task.
        clock: function that returns the time in seconds.
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


def exhaust(items: Iterable[object]) -> None:
    """Consume an iterable without storing its items."""
    deque(items, maxlen=0)


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Time and memory of a process.

    Attributes:
        seconds: time from its start to its end.
        peak_mb: peak memory in 10^6 bytes.
        lines: the lines that it printed, each with the seconds from the start to the moment at which it was read.
    """

    seconds: float
    peak_mb: float
    lines: tuple[tuple[float, str], ...] = ()


def run_process(
    command: Sequence[str], name: str, environment: Mapping[str, str] | None = None
) -> ProcessUsage:
    """Run a command to its end.

    Args:
        command: path of the program, and its arguments.
        name: name of the program in error messages.
        environment: variables to set in addition to the environment of this process.

    Raises:
        FreelocError: the program fails (the message contains its last line of output), or the operating
            system does not report the memory of a process.
    """
    if not (hasattr(os, "wait4") and hasattr(os, "posix_spawn")):
        raise FreelocError(
            "this operating system does not report the memory of a process: use Linux or macOS"
        )
    lines: list[tuple[float, str]] = []
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **(environment or {})},
    ) as launcher:
        # The launcher prints its one short line after the command has ended, so no pipe fills up.
        printed = ((time.perf_counter() - started, line.strip()) for line in launcher.stderr or ())
        lines.extend(timed for timed in printed if timed[1])
        answer = launcher.stdout.read() if launcher.stdout else ""
    last = lines[-1][1] if lines else "no output"
    if launcher.returncode:
        raise FreelocError(f"{name} could not be started: {last}")
    code, seconds, peak = json.loads(answer)
    if code:
        end = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        raise FreelocError(f"{name} {end}: {last}")
    return ProcessUsage(seconds, peak * (1 if sys.platform == "darwin" else 1024) / 1e6, tuple(lines))

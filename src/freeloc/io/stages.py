"""Show the progress of a long command as one bar, which covers all of its stages.

Within `show_stages`, all loops that `freeloc.io.progress.track` reports are parts of the current stage. On a
terminal, one bar shows the stage, the progress of the whole command and the time left. Elsewhere, such as in a log
file, only lines are printed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TypeVar

from rich.cells import cell_len, set_cell_size

from freeloc._printable import printable
from freeloc.io.terminal import is_terminal, print_status

if TYPE_CHECKING:  # bars are loaded when one is shown
    from rich.progress import Progress

__all__ = ["Stages", "current_stages", "describe_duration", "describe_seconds", "show_stages"]

Item = TypeVar("Item")

_MIN_FRACTION: Final = 0.03
"""Fraction of a stage after which its time left follows from its own speed instead of the plan."""

_BAR_WIDTH: Final = 16
_BESIDE_BAR: Final = 7
"""Numbers of terminal columns of the bar, and of the percentage and the blanks between the parts of its line."""

_current: ContextVar[Stages | None] = ContextVar("stages", default=None)


class Stages:
    """The stages of a command, and how far it is.

    Args:
        names: names of the stages, in order.
        bar: the bar, which is shown already; None to print lines instead.
        evaluated: number of images that are predicted after a training in these stages, for its forecast.

    Attributes:
        evaluated: the same number.
    """

    def __init__(self, names: Sequence[str], bar: Progress | None, evaluated: int = 0) -> None:
        self.evaluated = evaluated
        self._names = tuple(names)
        self._bar = bar
        self._task = None if bar is None else bar.add_task("", total=1.0, left="")
        self._position = 0
        self._planned: dict[str, float] = {}
        self._started = self._stage_started = time.monotonic()
        self._fraction, self._parts_done, self._parts = 0.0, 0, 1
        self._shown, self._text, self._note = 0.0, "", ""
        self._show()

    @property
    def has_bar(self) -> bool:
        """Whether a bar is shown; if not, lines report progress."""
        return self._bar is not None

    @property
    def seconds_left(self) -> float | None:
        """Expected number of seconds until all stages are done; None if it is not known yet."""
        later = [self._planned.get(name) for name in self._names[self._position + 1 :]]
        known = [seconds for seconds in later if seconds is not None]
        current = self._stage_left()
        if current is None or len(known) < len(later):
            return None
        return current + sum(known)

    def plan(self, seconds: Mapping[str, float]) -> None:
        """Set the expected duration of stages, in seconds; others stay unknown."""
        self._planned |= seconds
        self._show()

    def begin(self, name: str, parts: int = 1) -> None:
        """Begin a stage; all earlier ones are done.

        Args:
            name: name of the stage. A stage that is not in the list is not shown.
            parts: number of loops of about equal duration in the stage.
        """
        if name not in self._names:
            return
        self._position, self._stage_started = self._names.index(name), time.monotonic()
        self._fraction, self._parts_done, self._parts = 0.0, 0, max(1, parts)
        self._text = self._note = ""
        self._show()

    def report(self, line: str, note: str) -> None:
        """Report an event within a stage, such as the end of an epoch.

        Args:
            line: line to print if there is no bar.
            note: short note to show in the bar.
        """
        if self._bar is None:
            print_status(line)
        self._note = note
        self._show()

    def track(self, items: Iterable[Item], description: str, total: int | None) -> Iterator[Item]:
        """Yield the items of one part of the current stage, and move the bar."""
        self._text = description
        for done, item in enumerate(items, start=1):
            yield item
            self._fraction = min(1.0, (self._parts_done + done / max(total or 0, done)) / self._parts)
            self._show()
        self._parts_done = min(self._parts, self._parts_done + 1)

    def _stage_left(self) -> float | None:
        elapsed = time.monotonic() - self._stage_started
        if self._fraction >= _MIN_FRACTION:
            return elapsed / self._fraction * (1 - self._fraction)
        planned = self._planned.get(self._names[self._position])
        return None if planned is None else max(0.0, planned - elapsed)

    def _show(self) -> None:
        if self._bar is None or self._task is None:
            return
        left, spent = self.seconds_left, time.monotonic() - self._started
        if left is None:
            done = (self._position + self._fraction) / len(self._names) / 2
        else:
            done = spent / max(spent + left, 1e-9)
        # A later, longer estimate does not move the bar back.
        self._shown = max(self._shown, min(done, 1.0))
        stage = f"{self._names[self._position]} ({self._position + 1} of {len(self._names)})"
        description = printable(", ".join(filter(None, (stage, self._text, self._note))))
        time_left = "" if left is None else f"{describe_seconds(left)} left"
        # If the line were too long, the bar would shrink to a few characters.
        room = self._bar.console.width - _BAR_WIDTH - len(time_left) - _BESIDE_BAR
        if cell_len(description) > room:
            description = f"{set_cell_size(description, max(0, room - 1)).rstrip()}…"
        self._bar.update(self._task, completed=self._shown, description=description, left=time_left)


@contextmanager
def show_stages(names: Sequence[str], *, evaluated: int = 0, quiet: bool = False) -> Iterator[Stages | None]:
    """Show the progress of stages until the end of the block; within another such block, that one is continued.

    Args:
        names: names of the stages, in order.
        evaluated: number of images that are predicted after a training in these stages, for its forecast.
        quiet: whether to show nothing.

    Yields:
        The stages; None if ``quiet``.
    """
    outer = _current.get()
    if quiet or outer is not None:
        yield None if quiet else outer
        return
    bar = _new_bar() if is_terminal(sys.stderr) else None
    stages = Stages(names, bar, evaluated)
    token = _current.set(stages)
    try:
        if bar is None:
            yield stages
        else:
            with bar:
                yield stages
    finally:
        _current.reset(token)


def current_stages() -> Stages | None:
    """Return the stages that are being shown."""
    return _current.get()


def describe_seconds(seconds: float) -> str:
    """Return a duration in words, as "4 minutes"; estimates need no more digits."""
    if seconds < 90:
        # 5, 10, 15, … seconds; less than that is not worth a number
        rounded = max(5, 5 * round(seconds / 5))
        return f"{rounded} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    hours = round(seconds / 1800) / 2
    return f"{hours:g} hours"


def describe_duration(seconds: float) -> str:
    """Return a measured duration in units that are easy to read: "8.2 s", "41 s", "6 min 52 s" or "2 h 5 min".

    Example:
        >>> [describe_duration(seconds) for seconds in (8.24, 41, 412, 7500)]
        ['8.2 s', '41 s', '6 min 52 s', '2 h 5 min']
    """
    whole = round(seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if whole < 100:
        return f"{whole} s"
    if whole < 2 * 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _new_bar() -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn

    from freeloc.io.plain_console import PlainConsole

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR_WIDTH),
        TextColumn("{task.percentage:>3.0f}%", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
    )
    return Progress(*columns, console=PlainConsole(stderr=True), transient=True)

"""Print progress and status messages to standard error, so that standard output contains only results.

On a terminal, progress is shown as a bar; elsewhere, such as in a log file, a plain line is printed at intervals.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from freeloc._printable import printable
from freeloc.io.stages import current_stages, describe_duration, describe_seconds
from freeloc.io.terminal import is_terminal, print_status

__all__ = ["pluralize", "print_status", "track"]

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES = 15.0


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun: ``"1 image"``, ``"2 images"``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def track(
    items: Iterable[Item],
    description: str,
    total: int | None,
    *,
    quiet: bool = False,
    summary: bool = True,
) -> Iterator[Item]:
    """Yield items and show progress.

    Within `freeloc.io.stages.show_stages`, the items are a part of the current stage.

    Args:
        items: the items.
        description: the task in progress, such as "extracting features".
        total: number of items, or an estimate of it; None if it is unknown.
        quiet: whether to hide progress.
        summary: whether to print a line at the end if there is no bar.
    """
    stages = current_stages()
    if quiet:
        yield from items
    elif stages is not None and stages.has_bar:
        yield from stages.track(items, description, total)
    elif is_terminal(sys.stderr):
        yield from _with_bar(items, description, total)
    else:
        tracked = items if stages is None else stages.track(items, description, total)
        yield from _with_lines(tracked, description, total, summary=summary)


def _with_bar(items: Iterable[Item], description: str, total: int | None) -> Iterator[Item]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from freeloc.io.plain_console import PlainConsole

    title = TextColumn("{task.description}", markup=False)
    columns = (title, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=PlainConsole(stderr=True)) as progress:
        task = progress.add_task(printable(description), total=total)
        for item in items:
            yield item
            progress.advance(task)


def _with_lines(
    items: Iterable[Item], description: str, total: int | None, *, summary: bool
) -> Iterator[Item]:
    started = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last < _SECONDS_BETWEEN_LINES or (total is not None and done >= total):
            continue
        last = now
        if total is None:
            print_status(f"{description}: {done} so far")
        else:
            remaining = (now - started) / done * (total - done)
            print_status(f"{description}: {done} of {total}, about {describe_seconds(remaining)} left")
    if summary:
        print_status(f"{description}: {done} done in {describe_duration(time.monotonic() - started)}")

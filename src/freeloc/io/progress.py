"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["pluralize", "print_status", "track"]

Item = TypeVar("Item")

_LINE_SECONDS = 15.0


def print_status(text: str) -> None:
    """Tell the user one thing, on standard error, so that standard output stays for results."""
    Console(stderr=True, highlight=False, soft_wrap=True, emoji=False).print(text, markup=False)


def pluralize(number: int, what: str) -> str:
    """``number`` and the word, in the plural where it is not one."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def track(items: Iterable[Item], what: str, total: int, *, quiet: bool = False) -> Iterator[Item]:
    """Yield ``items`` and show how far along they are.

    Args:
        items: what is worked through.
        what: shown beside the bar, such as "extracting features".
        total: how many items there are.
        quiet: show nothing.
    """
    if quiet:
        yield from items
    elif sys.stderr.isatty():
        yield from _bar(items, what, total)
    else:
        yield from _lines(items, what, total)


def _bar(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            yield item
            progress.advance(task)


def _lines(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    started = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= _LINE_SECONDS and done < total:
            last = now
            left = (now - started) / done * (total - done)
            print_status(f"{what}: {done} of {total}, about {left:.0f} s left")
    print_status(f"{what}: {total} done in {time.monotonic() - started:.1f} s")

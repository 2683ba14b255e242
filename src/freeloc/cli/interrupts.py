"""Ctrl-C, which ends the program at any time without a traceback, and with the exit code 130.

While a command runs, Ctrl-C raises a ``KeyboardInterrupt``, so that locks are released and temporary files are
deleted. Before a command starts and after it has ended, there is nothing to clean up, and an exception could be
raised where nobody catches it, such as in a module that is being imported or while Python ends. Ctrl-C then ends
the process at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

__all__ = ["INTERRUPTED", "end_at_once", "raise_interrupts", "tell_after_interrupt", "was_interrupted"]

INTERRUPTED: Final = 128 + 2
"""The exit code, as shells report a process that was ended by SIGINT."""

_DELAY: Final = 0.05
"""Seconds after which an exception that Python could not raise is raised again."""

_interrupts: list[int] = []
"""The signals received while a command runs."""


def end_at_once() -> None:
    """Let Ctrl-C end the process from now on."""
    _handle(_end_process)


def raise_interrupts() -> None:
    """Let Ctrl-C raise a ``KeyboardInterrupt`` from now on, everywhere in the main thread."""
    _interrupts.clear()
    if _handle(_raise):
        sys.unraisablehook = _raise_again


def was_interrupted() -> bool:
    """Return whether the user has pressed Ctrl-C since `raise_interrupts` was called.

    Modules written in C may turn the exception into another one.
    """
    return bool(_interrupts)


@contextmanager
def tell_after_interrupt(describe: Callable[[str | None], str]) -> Iterator[None]:
    """Let the message about Ctrl-C in a block say what is stored.

    Args:
        describe: returns the text; its argument is what the exception itself says, which may be nothing, and None
            if a module written in C has turned it into another one.
    """
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:
        if not (was_interrupted() or isinstance(error, KeyboardInterrupt)):
            raise
        told = str(error) if isinstance(error, KeyboardInterrupt) else None
        raise KeyboardInterrupt(describe(told)) from error


def _handle(handler: Any) -> bool:
    """Install a handler, unless the parent process has switched the signal off, as for a job in the background."""
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        return False
    try:
        signal.signal(signal.SIGINT, handler)
    except ValueError:  # this is not the main thread
        return False
    return True


def _end_process(_number: int, _frame: object) -> None:
    with suppress(OSError):
        os.write(2, b"freeloc: interrupted\n")
    os._exit(INTERRUPTED)


def _raise(number: int, _frame: object) -> None:
    _interrupts.append(number)
    raise KeyboardInterrupt


def _raise_again(unraisable: Any) -> None:
    """Raise a ``KeyboardInterrupt`` that Python ignores, as in ``__del__``, a moment later; print other errors."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    import _thread
    import threading

    timer = threading.Timer(_DELAY, _thread.interrupt_main)
    timer.daemon = True
    timer.start()

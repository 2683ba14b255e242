"""Ctrl-C during work that must not be interrupted halfway."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["deferred_interrupts"]


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Let Ctrl-C take effect after the block, which must be short.

    Some libraries cannot be interrupted: a ``zipfile.ZipFile`` with an unfinished entry raises a ``ValueError``
    when it is closed, which takes the place of the ``KeyboardInterrupt``, and prints another one when it is
    deleted.

    In other threads than the main one, to which Python never delivers signals, the block runs as it is; so it does
    if the process ignores Ctrl-C or handles it outside Python.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed during the block, and raises it in this program.
    """
    before = signal.getsignal(signal.SIGINT)
    received: list[int] = []
    deferred = False
    if callable(before):
        try:
            signal.signal(signal.SIGINT, lambda number, _frame: received.append(number))
            deferred = True
        except ValueError:  # this is not the main thread
            pass
    try:
        yield
    finally:
        if deferred:
            signal.signal(signal.SIGINT, before)
        if received and callable(before):
            before(received[0], None)

"""Prepare the process for a command: standard streams, warnings and logs."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from freeloc._log import NOTICE
from freeloc.io.limits import has_limited_memory
from freeloc.io.terminal import print_status

__all__ = [
    "be_quiet",
    "flush_at_end",
    "only_own_messages",
    "open_closed_streams",
    "prepare_for_little_memory",
]


_TORCH_LEVEL: Final = "TORCH_CPP_LOG_LEVEL"
"""Variable that torch reads when it is loaded, and without which its C++ code prints warnings."""


def open_closed_streams() -> None:
    """Replace standard streams that are closed, so that no file that is opened later takes their place.

    For a closed stream, Python sets ``sys.stdout`` or ``sys.stderr`` to None. Messages to a closed standard error
    are dropped. A command that prints results to a closed standard output fails when it does so.

    Characters that the encoding of a stream lacks are printed as escapes.
    """
    # Each call opens the lowest free descriptor: that of the stream, if it is closed.
    if sys.stdin is None:
        sys.stdin = _open_null(os.O_RDONLY, "r")
    if sys.stdout is None:
        # Opened for reading, so that writing fails as on a closed stream.
        sys.stdout = _open_null(os.O_RDONLY, "w")
    if sys.stderr is None:
        sys.stderr = _open_null(os.O_WRONLY, "w")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(
            stream, "reconfigure", None
        )  # streams that replace the standard ones may lack it
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def prepare_for_little_memory() -> None:
    """If the address space is limited, load the library with which threads end, while there is memory for it.

    Otherwise, the C library loads it when the first thread ends, and aborts the process if that is not possible.
    """
    if has_limited_memory():
        import ctypes

        with suppress(OSError, MemoryError):
            ctypes.CDLL("libgcc_s.so.1")


def _open_null(flags: int, mode: str) -> IO[str]:
    return os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8")


def flush_at_end(stream: IO[str]) -> bool:
    """Flush a standard stream before the program ends, and return whether that was possible.

    If not, what is left is discarded, because Python would fail to flush it with an exit code of its own.
    """
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


@contextmanager
def only_own_messages() -> Iterator[None]:
    """Print freeloc's log messages, and hide the warnings and log messages of all other packages.

    Users cannot act on the latter. Python's option ``-W`` and the variable ``PYTHONWARNINGS`` show warnings again.
    """
    own, root = logging.getLogger("freeloc"), logging.getLogger()
    # Without any handler, Python would print the warnings of all packages.
    handlers = ((own, _StatusHandler(NOTICE)), (root, logging.NullHandler()))
    for logger, handler in handlers:
        logger.addHandler(handler)
    level = own.level
    own.setLevel(NOTICE)
    chosen = os.environ.get(_TORCH_LEVEL)
    os.environ.setdefault(_TORCH_LEVEL, "ERROR")
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
                # Some packages install filters of their own when they are imported.
                warnings.showwarning = _ignore
            yield
    finally:
        if chosen is None:
            del os.environ[_TORCH_LEVEL]
        own.setLevel(level)
        for logger, handler in handlers:
            logger.removeHandler(handler)


def be_quiet() -> None:
    """Print no log message but errors until `only_own_messages` ends."""
    logging.getLogger("freeloc").setLevel(logging.ERROR)


def be_verbose() -> None:
    """Also print messages of level INFO, such as choices made automatically, until `only_own_messages` ends."""
    own = logging.getLogger("freeloc")
    own.setLevel(logging.INFO)
    for handler in own.handlers:
        if isinstance(handler, _StatusHandler):
            handler.setLevel(logging.INFO)


class _StatusHandler(logging.Handler):
    """Prints log messages, whose lines are separate messages, like all other messages."""

    def emit(self, record: logging.LogRecord) -> None:
        for line in record.getMessage().split("\n"):
            print_status(line)


def _ignore(*_arguments: object, **_options: object) -> None:
    """Show no warning."""

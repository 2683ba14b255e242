"""Print to standard output and standard error.

Everything printed passes `freeloc._printable.printable` or its variant for JSON, so names from files cannot
control the terminal. Results go to standard output, and an error is raised if they cannot be written. Messages go
to standard error, and are dropped if they cannot be written, because the work itself must not stop for them.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from freeloc._printable import json_printable, printable
from freeloc.errors import MissingFileError, OutputError

__all__ = ["is_terminal", "print_json", "print_result", "print_status", "standard_output"]


def is_terminal(stream: IO[str] | None) -> bool:
    """Return whether a stream is a terminal; a closed or missing stream is not."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


@contextmanager
def standard_output() -> Iterator[IO[str]]:
    """Yield standard output, and flush it at the end of the block.

    Raises:
        OutputError: standard output is closed, or cannot be written to.
        BrokenPipeError: the program that reads the output has ended.
    """
    stream: IO[str] | None = sys.stdout
    if stream is None or getattr(stream, "closed", False):
        raise _output_error("it is closed")
    try:
        yield stream
        stream.flush()
    except (BrokenPipeError, MissingFileError):  # the latter concerns a file that the block has read
        raise
    except OSError as error:
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror or str(error)
        raise _output_error(reason) from error


def print_result(*columns: str) -> None:
    """Print one line to standard output.

    Args:
        columns: the text of the line, or its columns, which are separated by tabs.

    Raises:
        OutputError: see `standard_output`.
    """
    with standard_output() as stream:
        stream.write("\t".join(map(printable, columns)) + "\n")


def print_json(text: str) -> None:
    """Print JSON to standard output, in UTF-8 whatever the encoding of the stream.

    Raises:
        OutputError: see `standard_output`.
    """
    text = f"{json_printable(text)}\n"
    with standard_output() as stream:
        buffer = getattr(stream, "buffer", None)  # streams that replace standard output may have no buffer
        if buffer is None:
            stream.write(text)
        else:
            stream.flush()
            buffer.write(text.encode())


def print_status(text: str) -> None:
    """Print a message of one line to standard error, or drop it if standard error is closed or full."""
    with suppress(OSError, ValueError):
        stream: IO[str] | None = sys.stderr
        if stream is not None:
            stream.write(f"{printable(text)}\n")
            stream.flush()


def _output_error(reason: str) -> OutputError:
    return OutputError(f"cannot write the results to standard output: {reason}")

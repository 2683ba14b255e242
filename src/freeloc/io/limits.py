"""Recognize errors that mean that the process has run out of open files or memory.

Libraries report them with many types of exceptions. Without this check, a sound file that could not be opened
would be called damaged, and the user would be told to delete it.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from freeloc.errors import FreelocError, ResourceError

__all__ = [
    "MIN_MEMORY",
    "MIN_NETWORK_MEMORY",
    "check_memory_limit",
    "check_resources",
    "has_limited_memory",
    "resource_error",
]

MIN_MEMORY: Final = 250_000_000
"""Minimum address space of a command, in bytes; with less, NumPy ends the process or never finishes to load."""

MIN_NETWORK_MEMORY: Final = 700_000_000
"""Minimum address space for loading OpenVINO and a small network, in bytes; with less, libraries end the process,
or report anything but a lack of memory."""

_FILES: Final = (
    "too many files are open: raise the limit on open files (ulimit -n), or run fewer programs at once"
)
_MEMORY: Final = "there is not enough memory: raise the memory limit of this process, or free memory"

_FILE_ERRORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
_FILE_PHRASES: Final = tuple(os.strerror(number).lower() for number in _FILE_ERRORS)
_MEMORY_PHRASES: Final = (
    os.strerror(errno.ENOMEM).lower(),
    "can't allocate memory",
    "failed to allocate memory",
    "failed to map segment",
    "cannot map zero-fill pages",
    "cannot create shared object descriptor",
    "unable to mmap",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "can't start new thread",
    "could not create a primitive",
)
"""Parts of messages of libraries: the C library, the dynamic loader, torch, OpenVINO, oneDNN and Python."""

_LOST_PHRASES: Final = ("without exception set", "without setting an exception")
"""Parts of the messages with which Python reports that C code failed without a reason, such as when there was no
memory to read a module."""

_MAX_DETAIL: Final = 200


def resource_error(error: BaseException) -> ResourceError | None:
    """Return the error to raise instead if the process has run out of open files or memory; None otherwise.

    Args:
        error: an exception raised by Python or by a library.
    """
    if isinstance(error, FreelocError):
        return error if isinstance(error, ResourceError) else None
    detail = " ".join(str(error).split())
    number = error.errno if isinstance(error, OSError) else None
    # An OSError with a number may name a file, so its text is not searched.
    text = detail.lower() if number is None else ""
    if number in _FILE_ERRORS or any(phrase in text for phrase in _FILE_PHRASES):
        return ResourceError(_with_detail(_FILES, detail))
    if (
        isinstance(error, MemoryError)
        or number == errno.ENOMEM
        or any(phrase in text for phrase in _MEMORY_PHRASES)
    ):
        return ResourceError(_with_detail(_MEMORY, detail))
    if has_limited_memory() and isinstance(error, SystemError) and any(p in text for p in _LOST_PHRASES):
        return ResourceError(_with_detail(_MEMORY, detail))
    return None


def has_limited_memory() -> bool:
    """Return whether the address space of this process is limited, as with ``ulimit -v``."""
    return _memory_limit() is not None


def check_memory_limit(minimum: int) -> None:
    """Raise an error if the address space of this process is too small for what follows.

    Args:
        minimum: the address space that is needed at least, in bytes.

    Raises:
        ResourceError: it is limited to less.
    """
    limit = _memory_limit()
    if limit is not None and limit < minimum:
        raise ResourceError(
            f"there is not enough memory: the address space of this process is limited to {limit / 1e6:.0f} MB, "
            f"and at least {minimum / 1e6:.0f} MB are needed: raise the limit (ulimit -v)"
        )


def _memory_limit() -> int | None:
    """Return the limit of the address space in bytes; None if there is none."""
    try:
        import resource
    except ImportError:  # on Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def check_resources(error: BaseException) -> None:
    """Raise a `ResourceError` if that is what an exception means.

    Call this function before an exception is reported as the fault of a file.

    Raises:
        ResourceError: the process has run out of open files or memory.
    """
    found = resource_error(error)
    if found is not None:
        raise found from error


def _with_detail(message: str, detail: str) -> str:
    if len(detail) > _MAX_DETAIL:
        detail = f"{detail[:_MAX_DETAIL]}…"
    return f"{message} ({detail})" if detail else message

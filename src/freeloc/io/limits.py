"""Recognize errors that mean that the process has run out of open files or memory.

Libraries report them with many types of exceptions. Without this check, a sound file that could not be opened
would be called damaged, and the user would be told to delete it.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from freeloc.errors import FreelocError, ResourceError

__all__ = ["check_resources", "resource_error"]

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
    return None


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

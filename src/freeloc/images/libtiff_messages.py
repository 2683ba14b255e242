"""Keep libtiff's messages about damaged files off the terminal.

libtiff, which Pillow contains, prints them to standard error itself. Its error handler can only be set for the
whole process, so the new handler ignores messages only in threads that are decoding an image for freeloc, and
passes on all others.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from freeloc.io.library_warnings import is_silenced

__all__ = ["silence_libtiff"]

_Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
"""An error handler receives the name of a function or file, a format, and the arguments for the format."""

_handlers: list[Any] = []
"""The new and the previous handler, which must not be deleted."""


@cache
def silence_libtiff() -> None:
    """Ignore libtiff's messages in threads that are inside `freeloc.io.library_warnings.silence_warnings`.

    This has no effect if Python was asked to show warnings, or if the library that Pillow has loaded is not found,
    as on systems other than Linux.
    """
    if sys.warnoptions:
        return
    with suppress(OSError, ValueError, AttributeError):
        lines = Path("/proc/self/maps").read_text().splitlines()
        (path,) = {line.split(maxsplit=5)[5] for line in lines if "/libtiff" in line}
        library = ctypes.CDLL(path)
        library.TIFFSetErrorHandler.restype = ctypes.c_void_p
        library.TIFFSetErrorHandler.argtypes = [ctypes.c_void_p]
        handler = _Handler(_pass_on_unless_silenced)
        previous = library.TIFFSetErrorHandler(handler)
        _handlers.extend((handler, _Handler(previous) if previous else None))


def _pass_on_unless_silenced(module: bytes | None, message: bytes | None, arguments: int | None) -> None:
    previous = _handlers[1] if len(_handlers) == 2 else None
    if previous is not None and not is_silenced():
        previous(module, message, arguments)

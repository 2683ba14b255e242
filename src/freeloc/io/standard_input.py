"""Standard input, whose content can be kept so that the path ``-`` names it like a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

__all__ = ["DASH", "keep_input", "kept_input", "read_standard_input"]

DASH: Final = Path("-")
"""The path that stands for standard input, unless a file has that name."""

_kept: list[bytes] = []


def read_standard_input() -> bytes:
    """Return everything that standard input still contains.

    Raises:
        OSError: standard input cannot be read.
    """
    stream = sys.stdin
    try:
        buffer = getattr(stream, "buffer", None)  # streams that replace standard input may have no buffer
        data: bytes | str = (stream if buffer is None else buffer).read()
    except ValueError as error:  # it is closed
        raise OSError(str(error)) from error
    return data if isinstance(data, bytes) else os.fsencode(data)


def keep_input(content: bytes | None) -> None:
    """Let the path ``-`` name this content from now on; None lets it name nothing again."""
    _kept[:] = [] if content is None else [content]


def kept_input(path: Path) -> bytes | None:
    """Return the content that a path names if the path is ``-``, no file has that name, and content was kept."""
    if not _kept or path != DASH or os.path.lexists(path):
        return None
    return _kept[0]

"""Whether the end of a Matroska or WebM file is missing.

FFmpeg reads what there is of such a file as if it were the whole.
"""

from __future__ import annotations

import os
from typing import IO, Final

__all__ = ["ends_early"]

_HEADER: Final = 0x1A45DFA3
_SEGMENT: Final = 0x18538067


def ends_early(file: IO[bytes]) -> bool:
    """Return whether a file is shorter than it says; false if it does not say how long it is.

    Args:
        file: the file; its position changes.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    if _read_number(file, keep_marker=True) != _HEADER:
        return False
    size = _read_number(file)
    if size is None:
        return False
    file.seek(size, os.SEEK_CUR)
    if _read_number(file, keep_marker=True) != _SEGMENT:
        return False
    size = _read_number(file)
    return size is not None and file.tell() + size > length


def _read_number(file: IO[bytes], *, keep_marker: bool = False) -> int | None:
    """Read a number of variable length (RFC 8794, section 4).

    The number of zero bits at its start, before the first one, is the number of bytes that follow the first byte.

    Returns:
        The number, for an ID with the bits that mark its length; None if the file ends, or if all bits are ones,
        which means that a size is unknown.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    data = first + file.read(more)
    if len(data) <= more:
        return None
    value = int.from_bytes(data, "big")
    without_marker = value & ((1 << 7 * len(data)) - 1)
    if keep_marker:
        return value
    return None if without_marker == (1 << 7 * len(data)) - 1 else without_marker

"""Detect truncated JPEG files without decoding them."""

from __future__ import annotations

import os
from typing import IO

__all__ = ["has_end_marker"]

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def has_end_marker(file: IO[bytes]) -> bool:
    """Return whether a JPEG file contains its end marker.

    Pillow cannot decode a JPEG that stops before its end marker. A missing marker therefore identifies a truncated
    file, and every decodable file passes this check. Other data may follow the marker, such as padding, a second
    image or a video.
    """
    file.seek(-2, os.SEEK_END)
    if file.read(2) == _END_OF_IMAGE:
        return True
    file.seek(0)
    data = file.read()
    return data.find(_END_OF_IMAGE, _first_scan(data)) >= 0


def _first_scan(data: bytes) -> int:
    """Return the position at which the pixel data starts.

    The search for the end marker starts here, because a thumbnail in the header has an end marker of its own.
    """
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        if data[position : position + 2] == _START_OF_SCAN:
            return position
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
    return min(position, len(data))

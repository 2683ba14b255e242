"""A cheap look at an image: is there such a file, does it open, and is its end there?"""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from freeloc.geometry.size import Size

__all__ = ["UnreadableImageError", "exists", "find_name", "is_dead_link", "read_size"]

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


class UnreadableImageError(ValueError):
    """A file that cannot be decoded as an image; the message says why and follows the file's name."""


def exists(path: Path) -> bool:
    """Whether there is a file; a name the system does not allow counts as no file."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_dead_link(path: Path) -> bool:
    """Whether there is a link, and no file where it leads to; a name the system does not allow is no link."""
    try:
        return path.is_symlink() and not path.exists()
    except OSError:
        return False


def find_name(folder: Path, name: str) -> str:
    r"""The name of a file as this system writes it.

    Lists made on Windows may say ``dog\1.jpg``. Elsewhere a backslash is part of a name, so it is read as a
    slash only where that finds a file and the name as it stands does not.
    """
    slashed = name.replace("\\", "/")
    return slashed if slashed != name and not exists(folder / name) and exists(folder / slashed) else name


def read_size(path: Path) -> Size | None:
    """Read the header of an image, and look for the end of a JPEG; no pixel is decoded.

    Pillow refuses to decode a JPEG that stops before its end marker, so looking for the marker finds what a
    broken download has cut off, and refuses no image that would decode. Whatever stands behind the
    marker (padding, a second picture, a film) does no harm. Other damage is found by decoding; see
    `freeloc.images.verify`.

    Args:
        path: the file.

    Returns:
        Width and height as stored, in pixels, before any EXIF rotation. None for a picture so large that
        Pillow does not open it unasked; whether it is too large is the decoder's decision.

    Raises:
        UnreadableImageError: the file is no image, is cut off, or cannot be read.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                size = Size(*image.size)
                whole = image.format not in ("JPEG", "MPO") or _has_end(file)
    except UnidentifiedImageError:
        raise UnreadableImageError("is not an image that Pillow can read") from None
    except Image.DecompressionBombError:
        return None
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {error.strerror or error}") from error
    except (ValueError, SyntaxError, EOFError, struct.error) as error:
        raise UnreadableImageError(f"has a broken header: {error}") from error
    if not whole:
        raise UnreadableImageError("is cut off: the end of the JPEG is missing")
    return size


def _has_end(file: BinaryIO) -> bool:
    file.seek(-2, os.SEEK_END)
    if file.read(2) == _END_OF_IMAGE:
        return True
    file.seek(0)
    data = file.read()
    return data.find(_END_OF_IMAGE, _first_scan(data)) >= 0


def _first_scan(data: bytes) -> int:
    """Where the pixels start; a thumbnail in the header has an end marker too, which must not count."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        if data[place : place + 2] == _START_OF_SCAN:
            return place
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return min(place, len(data))

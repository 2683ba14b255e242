"""Read the boxes of a JPEG 2000 file, in which the compressed image and its metadata are stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

__all__ = ["EXIF", "IPTC", "XMP", "Box", "metadata_boxes", "read_boxes"]

XMP: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
IPTC: Final = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
EXIF: Final = b"JpgTiffExif->JP2"
"""UUIDs of the boxes of metadata."""

_UUID_LENGTH: Final = 16


class Box(NamedTuple):
    """A box of a file: its type, and where its content starts and ends in the file."""

    kind: bytes
    start: int
    end: int


def read_boxes(file: IO[bytes]) -> Iterator[Box]:
    """Yield the boxes of a file that are not inside others, up to the first one that is damaged or cut off.

    The file may be read between them.
    """
    end = file.seek(0, os.SEEK_END)
    position = 0
    while position + 8 <= end:
        # A box: its length, its type, a longer length if the first is 1, and its content.
        file.seek(position)
        length, kind = int.from_bytes(file.read(4)), file.read(4)
        head = 8
        if length == 1:
            length, head = int.from_bytes(file.read(8)), 16
        if length == 0:  # up to the end of the file
            length = end - position
        yield Box(kind, position + head, min(position + length, end))
        if length < head:
            return
        position += length


def metadata_boxes(file: IO[bytes]) -> dict[bytes, bytes]:
    """Return the contents of boxes with a UUID by this."""
    found: dict[bytes, bytes] = {}
    for box in read_boxes(file):
        if box.kind == b"uuid":
            file.seek(box.start)
            content = file.read(max(0, box.end - box.start))
            found.setdefault(content[:_UUID_LENGTH], content[_UUID_LENGTH:])
    return found

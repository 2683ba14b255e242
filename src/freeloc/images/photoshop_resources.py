"""Find an image resource of Photoshop, which JPEG, TIFF and PNG files contain among others."""

from __future__ import annotations

from typing import Final

__all__ = ["find_resource"]

_SIGNATURE: Final = b"8BIM"


def find_resource(block: bytes, number: int) -> bytes | None:
    r"""Return the first resource with a number; None if there is none.

    A block that is cut off or damaged ends there, and the last resource is then shorter than it declares.

    Example:
        >>> find_resource(b"8BIM\x04\x04\0\0\0\0\0\x03dog\0", 0x0404)
        b'dog'
    """
    position = 0
    while block.startswith(_SIGNATURE, position) and position + 7 <= len(block):
        found = int.from_bytes(block[position + 4 : position + 6])
        name_length = 1 + block[position + 6]
        start = position + 6 + name_length + name_length % 2 + 4
        size = int.from_bytes(block[start - 4 : start])
        if found == number:
            return block[start : start + size]
        position = start + size
        if size % 2 and not block.startswith(_SIGNATURE, position):  # some programs do not pad resources
            position += 1
    return None

"""Put together metadata that JPEG files divide among several segments of at most 64 KB, which Pillow does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

__all__ = ["extended_xmp", "photoshop_block"]

_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_GUID_LENGTH: Final = 32
_HEADER_LENGTH: Final = len(_XMP) + _GUID_LENGTH + 8


def photoshop_block(segments: Iterable[tuple[str, bytes]]) -> bytes:
    """Return Photoshop's image resources, see `freeloc.images.photoshop_resources`; empty if there are none.

    Args:
        segments: the name ("APP13") and the content of each segment, as in Pillow's ``applist``.
    """
    return b"".join(
        content.removeprefix(_PHOTOSHOP)
        for name, content in segments
        if name == "APP13" and content.startswith(_PHOTOSHOP)
    )


def extended_xmp(segments: Iterable[tuple[str, bytes]]) -> dict[str, bytes | None]:
    """Return the extended XMP packets by their GUID; None for a packet of which a part is missing.

    XMP that does not fit into one segment consists of a packet of usual size, which contains the GUID of an
    extended packet, and of segments with a part of that packet each, which may be in any order.

    Args:
        segments: the name ("APP1") and the content of each segment, as in Pillow's ``applist``.
    """
    parts: dict[tuple[str, int], dict[int, bytes]] = defaultdict(dict)
    for name, content in segments:
        if name == "APP1" and content.startswith(_XMP) and len(content) >= _HEADER_LENGTH:
            numbers = content[_HEADER_LENGTH - 8 : _HEADER_LENGTH]
            guid = content[len(_XMP) : _HEADER_LENGTH - 8].decode("latin-1").upper()
            parts[guid, int.from_bytes(numbers[:4])][int.from_bytes(numbers[4:])] = content[_HEADER_LENGTH:]
    return {guid: _join(found, length) for (guid, length), found in parts.items()}


def _join(parts: dict[int, bytes], length: int) -> bytes | None:
    joined = b""
    for start in sorted(parts):
        if start != len(joined):
            return None
        joined += parts[start]
    return joined if len(joined) == length else None

"""Read the metadata of a PNG file that may contain keywords, wherever in the file it is.

Pillow reads what follows the pixels only along with these, and refuses a file with long texts; see
`freeloc.images.png_reader`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Final

from freeloc.images.png_reader import read_chunks

__all__ = ["EXIF", "IPTC", "XMP", "png_metadata"]

XMP: Final = b"XML:com.adobe.xmp"
EXIF: Final = b"eXIf"
IPTC: Final = b"Raw profile type iptc"

_RAW_PROFILES: Final = {b"Raw profile type xmp": XMP, b"Raw profile type exif": EXIF, IPTC: IPTC}
"""Texts of hexadecimal digits, as which older programs write metadata; IPTC has no other form."""

_MAX_BYTES: Final = 64_000_000
"""Maximum number of bytes of a text, before and after decompression."""


def png_metadata(file: IO[bytes]) -> dict[bytes, bytes]:
    """Return the first `XMP` packet, `EXIF` data, and image resources of Photoshop that contain `IPTC`.

    Texts that cannot be decompressed, and raw profiles with anything but hexadecimal digits, are left out.
    """
    found: dict[bytes, bytes] = {}
    for keyword, content in _texts(file):
        if keyword in (XMP, EXIF):
            found.setdefault(keyword, content)
        elif keyword in _RAW_PROFILES:
            # After the name of the profile and its length, each on a line of its own
            lines = content.decode("latin-1").strip().split("\n", 2)
            with suppress(ValueError):
                found.setdefault(_RAW_PROFILES[keyword], bytes.fromhex(lines[-1]))
    return found


def _texts(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keyword and the content of each text, and EXIF data under the name of their chunk."""
    for chunk in read_chunks(file):
        if chunk.kind not in (b"eXIf", b"tEXt", b"zTXt", b"iTXt") or chunk.length > _MAX_BYTES:
            continue
        file.seek(chunk.start + 8)
        data = file.read(chunk.length)
        if chunk.kind == b"eXIf":
            yield EXIF, data
            continue
        keyword, _, content = data.partition(b"\0")
        compressed = chunk.kind == b"zTXt"
        if chunk.kind == b"iTXt":  # whether and how it is compressed, two texts, and the content
            compressed = content[:1] == b"\1"
            content = content[2:].split(b"\0", 2)[-1]
        elif compressed:
            content = content[1:]
        if keyword == XMP or keyword in _RAW_PROFILES:
            with suppress(zlib.error):
                yield keyword, _decompress(content) if compressed else content


def _decompress(data: bytes) -> bytes:
    decompressor = zlib.decompressobj()
    content = decompressor.decompress(data, _MAX_BYTES)
    if decompressor.unconsumed_tail:
        raise zlib.error(f"more than {_MAX_BYTES} bytes")
    return content

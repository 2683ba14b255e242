"""EXIF orientation: reading it, and rotating images upright.

Pillow also reads the orientation from XMP metadata, a TIFF tag and the eXIf chunk of a PNG.
"""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import IO

from PIL import ExifTags, Image, ImageFile, PngImagePlugin

from freeloc.images.decode_errors import DECODER_ERRORS

__all__ = ["apply_orientation", "read_header_orientation", "read_orientation", "swaps_sides"]

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that makes an image upright, by orientation."""


def read_orientation(image: Image.Image) -> int:
    """Return an image's EXIF orientation, 1 to 8; 1 (upright) if it has none or it cannot be read.

    For a PNG that is not decoded yet, use `read_header_orientation`.
    """
    try:
        # The getexif of Pillow's PNG class would decode the pixels first.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def read_header_orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation of an image file that is open but not decoded."""
    if isinstance(image, PngImagePlugin.PngImageFile) and image.fp is not None:
        with suppress(*DECODER_ERRORS):
            image = PngImagePlugin.PngImageFile(BytesIO(_png_without_pixels(image.fp)))
    return read_orientation(image)


def swaps_sides(orientation: int) -> bool:
    """Return whether turning an image of this orientation upright swaps its width and height."""
    return orientation >= 5


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """Return the image turned upright: a new image, or the given one if it is upright already."""
    return image.transpose(_TRANSPOSITIONS[orientation]) if orientation in _TRANSPOSITIONS else image


def _png_without_pixels(file: IO[bytes]) -> bytes:
    """Return a PNG's chunks except those with pixels.

    Pillow reads chunks that follow the pixels only when it decodes the pixels. Without pixels, it reads an eXIf
    chunk at the end of the file together with the header.
    """
    file.seek(0)
    parts = [file.read(8)]
    pixels_seen = False
    while len(head := file.read(8)) == 8:
        length, chunk_type = struct.unpack(">I4s", head)
        if chunk_type == b"IEND" or (chunk_type == b"fcTL" and pixels_seen):
            break
        if chunk_type in (b"IDAT", b"fdAT"):
            pixels_seen = True
            file.seek(length + 4, os.SEEK_CUR)
        else:
            parts.append(head + file.read(length + 4))
    empty = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    return b"".join((*parts, empty))

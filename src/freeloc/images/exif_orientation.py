"""Read EXIF orientations and turn images upright.

Besides the EXIF data of a JPEG, Pillow reads the orientation from XMP metadata, a TIFF tag and the eXIf chunk of a
PNG.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import IO

from PIL import ExifTags, Image, ImageFile, PngImagePlugin

from freeloc.images.decode_errors import DECODER_ERRORS
from freeloc.io.library_warnings import silence_warnings

__all__ = [
    "apply_orientation",
    "exif_with_orientation",
    "png_without_pixels",
    "read_header_orientation",
    "read_orientation",
]

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Maps each orientation to the operation that turns the image upright."""

_ORIENTATION_CHUNKS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""Types of the chunks of a PNG file that may contain the orientation."""

_CHUNK_TYPE = re.compile(rb"\w{4}")
"""Chunk types that Pillow considers valid."""


@silence_warnings()
def read_orientation(image: Image.Image) -> int:
    """Return an image's EXIF orientation (1 to 8); if it is missing or cannot be read, return 1 (upright).

    For a PNG that has not been decoded yet, use `read_header_orientation`.
    """
    try:
        # Call the base class: PngImageFile.getexif would decode the pixels first.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


@silence_warnings()
def read_header_orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation of an image file that is open but not yet decoded."""
    if isinstance(image, PngImagePlugin.PngImageFile) and image.fp is not None:
        with suppress(*DECODER_ERRORS):
            image = PngImagePlugin.PngImageFile(BytesIO(png_without_pixels(image.fp)))
    return read_orientation(image)


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """Turn an image upright; return a new image, or ``image`` itself if it is already upright."""
    return image.transpose(_TRANSPOSITIONS[orientation]) if orientation in _TRANSPOSITIONS else image


def exif_with_orientation(exif: bytes, orientation: int | None = None) -> bytes:
    """Return EXIF data that states an orientation; without one, Pillow would use the one in the XMP metadata.

    The decoders of HEIC, AVIF and JPEG XL turn images by the container or codestream, and the standards of these
    formats say that the orientation in the metadata, which converters leave unchanged, has no effect.

    Args:
        exif: the EXIF data; empty if there is none. Data that cannot be read is left out.
        orientation: the orientation to state; None for the one in ``exif``, or 1 if there is none.
    """
    data = Image.Exif()
    with suppress(*DECODER_ERRORS):
        data.load(exif)
        if orientation is None and ExifTags.Base.Orientation in data:
            return exif
        data[ExifTags.Base.Orientation] = orientation or 1
        return data.tobytes()
    data = Image.Exif()
    data[ExifTags.Base.Orientation] = orientation or 1
    return data.tobytes()


def png_without_pixels(file: IO[bytes]) -> bytes:
    """Return the content of a PNG file, with its pixel chunks replaced by a single empty chunk.

    Pillow reads the chunks that follow the pixels only when it decodes the pixels. If there are no pixels, it
    reads an eXIf chunk at the end of the file along with the header. It then refuses chunks that it ignores after
    the pixels, so none is kept that cannot contain the orientation.
    """
    file.seek(0)
    parts = [file.read(8)]
    pixels_seen = False
    while len(head := file.read(8)) == 8:
        length, chunk_type = struct.unpack(">I4s", head)
        if chunk_type == b"IEND" or (chunk_type == b"fcTL" and pixels_seen):
            break
        if pixels_seen and not _CHUNK_TYPE.fullmatch(chunk_type):
            break  # Pillow reads nothing that follows
        if chunk_type in (b"IDAT", b"fdAT"):
            pixels_seen = True
            file.seek(length + 4, os.SEEK_CUR)
        elif pixels_seen and chunk_type not in _ORIENTATION_CHUNKS:
            file.seek(length + 4, os.SEEK_CUR)
        else:
            parts.append(head + file.read(length + 4))
    empty = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    return b"".join((*parts, empty))

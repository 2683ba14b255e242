"""Read the metadata in image files that may contain keywords: an XMP packet, an IPTC block and an EXIF tag."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, TiffTags

from freeloc.images.decode_errors import DECODER_ERRORS, decoding_failed
from freeloc.images.exif_orientation import png_without_pixels
from freeloc.images.identify import identify, open_file
from freeloc.io.library_warnings import silence_warnings

__all__ = ["EmbeddedMetadata", "read_embedded_metadata"]

_IPTC_RESOURCE = 0x0404
"""Photoshop's image resource that contains the IPTC block of a JPEG."""

_TIFF_IPTC, _XP_KEYWORDS = 33723, 0x9C9E
_IPTC_MARKER = b"\x1c"


@dataclass(frozen=True, slots=True)
class EmbeddedMetadata:
    """Metadata of an image file in which programs store keywords, as encoded; None if the file has none of a kind.

    Attributes:
        xmp: the XMP packet, an XML document.
        iptc: the IPTC block, in IPTC's Information Interchange Model (IIM).
        xp_keywords: the EXIF tag XPKeywords, in which Windows stores keywords as UTF-16.
    """

    xmp: bytes | None = None
    iptc: bytes | None = None
    xp_keywords: bytes | None = None


def read_embedded_metadata(path: Path) -> EmbeddedMetadata:
    """Read the metadata of an image file without decoding its pixels, except in a JPEG XL file.

    Blocks that Pillow cannot find because the container or the EXIF data are damaged count as missing, as they do
    when an image is decoded. The blocks themselves are not parsed.

    Raises:
        ImageError: the file cannot be read or is not an image.
    """
    with open_file(path) as file:
        image = identify(file, path)
        try:
            return _read(image)
        except DECODER_ERRORS as error:
            raise decoding_failed(path, error) from error


@silence_warnings()
def _read(image: ImageFile.ImageFile) -> EmbeddedMetadata:
    if isinstance(image, PngImagePlugin.PngImageFile) and image.fp is not None:
        # The packet may follow the pixels, with which Pillow would read it.
        with suppress(*DECODER_ERRORS):
            image = PngImagePlugin.PngImageFile(BytesIO(png_without_pixels(image.fp)))
    elif image.format == "JXL":
        image.load()  # its metadata may be compressed
    xmp = image.info.get("xmp")
    return EmbeddedMetadata(
        xmp=xmp if isinstance(xmp, bytes) else None, iptc=_iptc(image), xp_keywords=_xp_keywords(image)
    )


def _iptc(image: ImageFile.ImageFile) -> bytes | None:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _tiff_iptc(image)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        block = image.info.get("photoshop", {}).get(_IPTC_RESOURCE)
        return block if isinstance(block, bytes) else None
    return None


def _tiff_iptc(image: TiffImagePlugin.TiffImageFile) -> bytes | None:
    if _TIFF_IPTC not in image.tag_v2.tagtype:
        return None
    # Many programs declare the bytes as 32-bit integers, of which Pillow would return one.
    image.tag_v2.tagtype[_TIFF_IPTC] = TiffTags.UNDEFINED
    block = image.tag_v2.get(_TIFF_IPTC)
    if not isinstance(block, bytes):
        return None
    if block[:1] != _IPTC_MARKER and block[3:4] == _IPTC_MARKER:  # some swap these integers
        words = struct.iter_unpack("<I", block[: len(block) // 4 * 4])
        return b"".join(struct.pack(">I", *word) for word in words)
    return block


def _xp_keywords(image: ImageFile.ImageFile) -> bytes | None:
    value: object = None
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        value = image.tag_v2.get(_XP_KEYWORDS)
    elif isinstance(data := image.info.get("exif"), bytes):
        exif = Image.Exif()
        with suppress(*DECODER_ERRORS):
            exif.load(data)
            value = exif.get(_XP_KEYWORDS)
    if isinstance(value, tuple):
        with suppress(TypeError, ValueError):
            value = bytes(value)
    return value if isinstance(value, bytes) else None

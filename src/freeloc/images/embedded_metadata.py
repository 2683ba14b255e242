"""Read the metadata in image files that may contain keywords: an XMP packet, an IPTC block and an EXIF tag."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, JpegImagePlugin, TiffImagePlugin, TiffTags

from freeloc.images import jpeg2000_boxes as jpeg2000
from freeloc.images import png_metadata as png
from freeloc.images.decode_errors import DECODER_ERRORS, decoding_failed
from freeloc.images.gif_xmp import find_gif_xmp
from freeloc.images.identify import identify, open_file
from freeloc.images.jpeg_segments import extended_xmp, photoshop_block
from freeloc.images.photoshop_resources import find_resource
from freeloc.io.library_warnings import silence_warnings

__all__ = ["EmbeddedMetadata", "read_embedded_metadata"]

_IPTC_RESOURCE = 0x0404
"""Photoshop's image resource that contains the IPTC block, in all formats but JPEG 2000."""

_TIFF_IPTC, _TIFF_PHOTOSHOP, _XP_KEYWORDS = 33723, 34377, 0x9C9E
_IPTC_MARKER = b"\x1c"


@dataclass(frozen=True, slots=True)
class EmbeddedMetadata:
    """Metadata of an image file in which programs store keywords, as encoded; None if the file has none of a kind.

    Attributes:
        xmp: the XMP packet, an XML document.
        iptc: the IPTC block, in IPTC's Information Interchange Model (IIM).
        xp_keywords: the EXIF tag XPKeywords, in which Windows stores keywords as UTF-16.
        extended_xmp: the packets to which the XMP packet of a JPEG may refer, by their GUIDs; None for a packet of
            which a part is missing.
    """

    xmp: bytes | None = None
    iptc: bytes | None = None
    xp_keywords: bytes | None = None
    extended_xmp: Mapping[str, bytes | None] = field(default_factory=dict)


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
            return _read(image, file)
        except DECODER_ERRORS as error:
            raise decoding_failed(path, error) from error


@silence_warnings()
def _read(image: ImageFile.ImageFile, file: IO[bytes]) -> EmbeddedMetadata:
    match image.format:
        case "PNG":
            texts = png.png_metadata(file)
            resources = texts.get(png.IPTC, b"")
            iptc = find_resource(resources, _IPTC_RESOURCE)
            return EmbeddedMetadata(texts.get(png.XMP), iptc, _xp_keywords_in(texts.get(png.EXIF)))
        case "JPEG2000":
            boxes = jpeg2000.metadata_boxes(file)
            return EmbeddedMetadata(
                boxes.get(jpeg2000.XMP), boxes.get(jpeg2000.IPTC), _xp_keywords_in(boxes.get(jpeg2000.EXIF))
            )
        case "GIF":
            return EmbeddedMetadata(find_gif_xmp(file))
        case "JXL":
            image.load()  # its metadata may be compressed
    xmp = image.info.get("xmp")
    segments = image.applist if isinstance(image, JpegImagePlugin.JpegImageFile) else ()
    return EmbeddedMetadata(
        xmp=xmp if isinstance(xmp, bytes) else None,
        iptc=_tiff_iptc(image) or find_resource(photoshop_block(segments), _IPTC_RESOURCE),
        xp_keywords=_xp_keywords(image),
        extended_xmp=extended_xmp(segments),
    )


def _tiff_iptc(image: ImageFile.ImageFile) -> bytes | None:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    if _TIFF_IPTC not in image.tag_v2.tagtype:
        resources = image.tag_v2.get(_TIFF_PHOTOSHOP)
        return find_resource(resources, _IPTC_RESOURCE) if isinstance(resources, bytes) else None
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
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _as_bytes(image.tag_v2.get(_XP_KEYWORDS))
    return _xp_keywords_in(image.info.get("exif"))


def _xp_keywords_in(exif: object) -> bytes | None:
    if not isinstance(exif, bytes):
        return None
    data = Image.Exif()
    with suppress(*DECODER_ERRORS):
        data.load(exif)
        return _as_bytes(data.get(_XP_KEYWORDS))
    return None


def _as_bytes(value: object) -> bytes | None:
    if isinstance(value, tuple):
        with suppress(TypeError, ValueError):
            value = bytes(value)
    return value if isinstance(value, bytes) else None

"""The image formats that freeloc reads, with the reader of each.

HEIC files are read by pi-heif and JPEG XL files by pylibjxl; the extra ``formats`` installs both. Pillow knows
some thirty more formats. Their readers are never offered a file, because some run other programs, some accept
files without any signature, and some raise exceptions of every kind. `docs/data.md` lists the formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import IO, TypeAlias

from PIL import ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PpmImagePlugin import PpmImageFile

from freeloc.images.bmp_reader import BmpReader
from freeloc.images.decode_errors import MissingReaderError, UnsupportedVariantError
from freeloc.images.exif_orientation import exif_with_orientation
from freeloc.images.png_reader import PngReader
from freeloc.images.tiff_reader import TiffReader

__all__ = ["PREFIX_LENGTH", "Reader", "find_reader", "is_image_start", "unsupported_format"]

Reader: TypeAlias = Callable[[IO[bytes]], ImageFile.ImageFile]

PREFIX_LENGTH = 48
"""Number of bytes at the start of a file that identify its format."""


def _lazy(module: str, name: str) -> Reader:
    """Return a reader whose module, which loads a large library, is imported on first use."""

    def read(file: IO[bytes]) -> ImageFile.ImageFile:
        try:
            reader: Reader = getattr(import_module(module), name)
        except ImportError as error:
            raise UnsupportedVariantError(
                "the installed version of Pillow does not read this format"
            ) from error
        return reader(file)

    return read


def _read_avif(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open an AVIF file; Pillow sets its orientation in EXIF to that of the container."""
    try:
        from PIL import AvifImagePlugin
    except ImportError as error:
        raise MissingReaderError("an AVIF") from error
    if not AvifImagePlugin.SUPPORTED:
        raise MissingReaderError("an AVIF")
    image = AvifImagePlugin.AvifImageFile(file)
    image.info["exif"] = exif_with_orientation(image.info.get("exif", b""))
    return image


def _read_heif(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a HEIF file; libheif turns the image upright, and the reader sets its orientation to 1."""
    try:
        from pi_heif import HeifImageFile
    except ImportError as error:
        raise MissingReaderError("a HEIC") from error
    image: ImageFile.ImageFile = HeifImageFile(file)
    return image


def _read_jpegxl(file: IO[bytes]) -> ImageFile.ImageFile:
    try:
        from freeloc.images.jpegxl_reader import JpegXlReader
    except ImportError as error:
        raise MissingReaderError("a JPEG XL") from error
    return JpegXlReader(file)


# An MPO file is read as the JPEG image with which it starts.
_READERS: tuple[tuple[re.Pattern[bytes], Reader], ...] = (
    (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngReader),
    (re.compile(rb"RIFF....WEBPVP8[ LX]", re.DOTALL), _lazy("PIL.WebPImagePlugin", "WebPImageFile")),
    (re.compile(rb"II[*+]\0|II\0\*|MM\0[*+]|MM\*\0"), TiffReader),
    (re.compile(rb"GIF8[79]a"), GifImageFile),
    (re.compile(rb"BM"), BmpReader),
    (re.compile(rb"P[1-6f]\s"), PpmImageFile),
    (
        re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
        _lazy("freeloc.images.jpeg2000_reader", "Jpeg2000Reader"),
    ),
    # Files with the brands mif1 and msf1 contain images of either kind; the brands that follow tell which.
    (re.compile(rb"....ftyp(avi[fs]|m[is]f1.{4}(.{4})*?avi[fs])", re.DOTALL), _read_avif),
    (re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|heif|m[is]f1)", re.DOTALL), _read_heif),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"), _read_jpegxl),
)

_UNSUPPORTED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"....ftypcrx ", re.DOTALL), "a CR3"),
    (re.compile(rb"8BPS"), "a Photoshop"),
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "a PostScript"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(svg|\?xml)"), "an SVG or XML"),
    (re.compile(rb"DDS "), "a DDS"),
    (re.compile(rb"\0\0[\x01\x02]\0"), "an icon"),
    (re.compile(rb"icns"), "an icon"),
    (re.compile(rb"\xd7\xcd\xc6\x9a|\x01\0\t\0"), "a WMF"),
    (re.compile(rb"\x01\0\0\0.{36} EMF", re.DOTALL), "an EMF"),
    (re.compile(rb"v/1\x01"), "an OpenEXR"),
    (re.compile(rb"SIMPLE  ="), "a FITS"),
    (re.compile(rb"P7\n|PF\s"), "a PAM or color PFM"),
    (re.compile(rb"qoif"), "a QOI"),
    (re.compile(rb"\x01\xda[\0\x01][\x01\x02]"), "an SGI"),
    (re.compile(rb"\x59\xa6\x6a\x95"), "a Sun raster"),
    (re.compile(rb"\n[\0\x02-\x05]\x01[\x01\x02\x04\x08]"), "a PCX"),
)


def find_reader(prefix: bytes) -> Reader | None:
    """Return the reader for a file that starts with ``prefix``; None if the format is not supported."""
    return next((reader for pattern, reader in _READERS if pattern.match(prefix)), None)


def is_image_start(prefix: bytes) -> bool:
    """Return whether a file that starts with ``prefix`` is an image, supported or not, rather than text.

    A list of names may begin like a BMP file, as in ``BMW.jpg``; but the header of a BMP file contains control
    characters.
    """
    if prefix.startswith(b"BM") and not re.search(rb"[\x01-\x08]", prefix):
        return False
    return find_reader(prefix) is not None or unsupported_format(prefix) is not None


def unsupported_format(prefix: bytes) -> str | None:
    """Return the name, with its article, of a well-known format that freeloc does not read."""
    return next((name for pattern, name in _UNSUPPORTED if pattern.match(prefix)), None)

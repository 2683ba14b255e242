"""Open image files without decoding them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, TiffImagePlugin

from freeloc.errors import MissingImageError
from freeloc.geometry.orientation import ImageFrame, swaps_sides, turned_size
from freeloc.geometry.size import Size
from freeloc.images.decode_errors import DECODER_ERRORS, check_size, decoding_failed, image_error
from freeloc.images.exif_orientation import read_header_orientation
from freeloc.images.formats import PREFIX_LENGTH, find_reader, unsupported_format
from freeloc.images.video_formats import find_demuxer
from freeloc.io.library_warnings import silence_warnings
from freeloc.io.limits import check_resources
from freeloc.io.regular_file import BrokenLinkError, SpecialFileError, open_regular

__all__ = ["header_frame", "header_size", "identify", "lift_tiff_limit", "open_file"]


@contextmanager
def open_file(path: Path, noun: str = "image") -> Iterator[IO[bytes]]:
    """Open an image or another file for reading, and close it on exit.

    Args:
        path: the file.
        noun: what it is supposed to be, for messages: "image" or "video".

    Raises:
        MissingImageError: the file does not exist.
        ImageError: the file is not a regular file, or cannot be opened.
        ResourceError: too many files are open.
    """
    try:
        file = open_regular(path)
    except FileNotFoundError as error:
        reason = str(error) if isinstance(error, BrokenLinkError) else "the file does not exist"
        raise image_error(path, reason, "check its name", kind=MissingImageError, noun=noun) from error
    except SpecialFileError as error:
        article = "an" if noun == "image" else "a"
        raise image_error(path, str(error), f"specify {article} {noun} file", noun=noun) from error
    except (OSError, ValueError) as error:
        check_resources(error)
        reason = getattr(error, "strerror", None) or str(error)
        raise image_error(path, reason, "check its name and permissions", noun=noun) from error
    with file:
        yield file


@silence_warnings()
def identify(file: IO[bytes], source: Path | str) -> ImageFile.ImageFile:
    """Read an image's header, bypassing Pillow's limit on the number of pixels.

    ``Image.open`` warns above 89 megapixels and raises an error above 179, and both limits can only be changed for
    the whole process. This function therefore calls the readers of `freeloc.images.formats` directly, and checks
    the size against `freeloc.images.decode_errors.MAX_PIXELS`.

    Args:
        file: the file, positioned at its start; it must stay open until the image has been decoded.
        source: the image's source, for messages; see `image_error`.

    Raises:
        ImageError: the file is not an image in a supported format, or the image is too large.
    """
    try:
        prefix = file.read(PREFIX_LENGTH)
        reader = find_reader(prefix)
        file.seek(0)
        image = None if reader is None else reader(file)
    except DECODER_ERRORS as error:
        raise decoding_failed(source, error) from error
    if not prefix:
        raise image_error(source, "it is empty (0 bytes)", "replace it, or leave it out")
    if image is None and find_demuxer(prefix) is not None:
        raise image_error(source, "it is a video, not an image", "use predict_video, or leave it out")
    if image is None:
        name = unsupported_format(prefix)
        reason = "it is" if name is None else f"it is {name} file,"
        raise image_error(
            source,
            f"{reason} not an image in a supported format",
            "convert it to JPEG or PNG, or leave it out",
        )
    check_size(image.size, source)
    return image


def header_size(image: ImageFile.ImageFile) -> Size:
    """Return the upright image's size for an image opened by `identify`, without decoding it."""
    return header_frame(image).upright


def header_frame(image: ImageFile.ImageFile) -> ImageFrame:
    """Return the size and orientation of an image opened by `identify`, without decoding it."""
    stored = Size(*_stored_size(image))
    orientation = read_header_orientation(image)
    return ImageFrame(turned_size(stored) if swaps_sides(orientation) else stored, orientation)


def lift_tiff_limit(image: ImageFile.ImageFile) -> None:
    """Allow Pillow to decode a TIFF with more pixels than ``Image.MAX_IMAGE_PIXELS``.

    Pillow's TIFF reader checks the limit when it allocates the pixels, so this function allocates them first.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if isinstance(image, TiffImagePlugin.TiffImageFile) and limit is not None:
        width, height = _stored_size(image)
        if width * height > limit:
            image.im = Image.new(image.mode, (width, height), None).im


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Return the width and height before the EXIF orientation is applied.

    For a TIFF, recent versions of Pillow set ``size`` to the size of the upright image.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
    return image.size

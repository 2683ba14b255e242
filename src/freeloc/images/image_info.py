"""Read the size, content hash and orientation of image files without decoding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc.geometry.orientation import ImageFrame
from freeloc.geometry.size import Size
from freeloc.images.hashed_image import open_and_hash
from freeloc.images.identify import header_frame, identify, open_file
from freeloc.io.prefetch import prefetch

__all__ = ["ImageInfo", "read_image_frame", "read_image_info"]


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Size, content hash and orientation of an image file, all read without decoding the image.

    Attributes:
        size: size of the upright image.
        content_hash: hash of the file's bytes; see `freeloc.io.content_hash`.
        orientation: EXIF orientation of the image as stored, 1 to 8; 1 is upright.
        perceptual_hash: hash of what the image shows (`freeloc.images.perceptual_hash`); None if it was not
            computed, for which the image must be decoded.
    """

    size: Size
    content_hash: str
    orientation: int = 1
    perceptual_hash: int | None = None


def read_image_frame(path: Path) -> ImageFrame:
    """Read the size and orientation of an image.

    Raises:
        ImageError: the file cannot be read or is not an image.
    """
    with open_file(path) as file:
        return header_frame(identify(file, path))


def read_image_info(paths: Sequence[Path]) -> tuple[ImageInfo, ...]:
    """Read the sizes, content hashes and orientations of images, opening each file only once.

    Raises:
        ImageError: a file cannot be read or is not an image.
    """
    return tuple(prefetch(_read, paths))


def _read(path: Path) -> ImageInfo:
    with open_and_hash(path) as (file, content_hash):
        frame = header_frame(identify(file, path))
        return ImageInfo(frame.upright, content_hash, frame.orientation)

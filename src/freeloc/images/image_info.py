"""Read the size and content hash of image files without decoding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc.geometry.size import Size
from freeloc.images.decode_errors import image_error
from freeloc.images.identify import header_size, identify, open_file
from freeloc.io.content_hash import hash_file
from freeloc.io.prefetch import prefetch

__all__ = ["ImageInfo", "read_image_info"]


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Size and content hash of an image file, both read without decoding the image.

    Attributes:
        size: size of the upright image.
        content_hash: hash of the file's bytes; see `freeloc.io.content_hash`.
    """

    size: Size
    content_hash: str


def read_image_info(paths: Sequence[Path]) -> tuple[ImageInfo, ...]:
    """Read the sizes and content hashes of images, opening each file only once.

    Raises:
        ImageError: a file cannot be read or is not an image.
    """
    return tuple(prefetch(_read, paths))


def _read(path: Path) -> ImageInfo:
    with open_file(path) as file:
        size = header_size(identify(file, path))
        try:
            file.seek(0)
            return ImageInfo(size, hash_file(file))
        except OSError as error:
            raise image_error(path, error.strerror or str(error), "check the disk") from error

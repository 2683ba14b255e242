"""Content hashes of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from freeloc.images.decode_errors import image_error
from freeloc.images.identify import open_file
from freeloc.io.content_hash import hash_file
from freeloc.io.prefetch import prefetch

__all__ = ["hash_images"]


def hash_images(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return the content hash of each image's file; see `freeloc.io.content_hash`.

    Raises:
        ImageError: a file cannot be read.
    """
    return tuple(prefetch(_hash_image, paths))


def _hash_image(path: Path) -> str:
    with open_file(path) as file:
        try:
            return hash_file(file)
        except OSError as error:
            raise image_error(path, error.strerror or str(error), "check the disk") from error

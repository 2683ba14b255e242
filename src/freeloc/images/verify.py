"""Check image files before a long-running job starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from PIL import ImageFile, JpegImagePlugin, TiffImagePlugin

from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import decode_reduced
from freeloc.images.decode_errors import image_error
from freeloc.images.exif_orientation import read_orientation
from freeloc.images.hashed_image import open_and_hash
from freeloc.images.identify import header_size, identify, open_file
from freeloc.images.image_info import ImageInfo
from freeloc.images.jpeg_end import has_end_marker
from freeloc.images.perceptual_hash import perceptual_hash
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import track

__all__ = ["check_header", "verify_images"]

_PROGRESS_FROM = 500
"""Minimum number of images for which progress is shown."""

# More threads would save little time, because part of the work holds the GIL, and would need more memory.
_THREADS = min(4, os.cpu_count() or 1)


def check_header(path: Path) -> Size:
    """Check, without decoding pixels, that a file has a valid image header and, if it is a JPEG, is not truncated.

    Returns:
        The size of the upright image.

    Raises:
        ImageError: the file is missing, not an image, too large or truncated.
    """
    with open_file(path) as file:
        image = identify(file, path)
        size = header_size(image)
        _check_end(image, file, path)
    return size


def verify_images(
    paths: Sequence[Path], *, quiet: bool = False, perceptual_hashes: bool = False
) -> Iterator[ImageInfo | ImageError]:
    """Check that images can be decoded, and hash their files.

    An image fails this check if and only if `freeloc.images.decode.load_image` raises an error for it. To save
    time, a JPEG is decoded at an eighth of its size, which reads all its data but computes few pixels.

    Args:
        paths: the images.
        quiet: whether to hide progress, which is otherwise shown if there are a few hundred images or more.
        perceptual_hashes: whether to compute perceptual hashes, from the pixels decoded anyway.

    Yields:
        For each path, in order, the image's size, hashes and orientation, or the error raised on reading it.
    """
    outcomes = prefetch(partial(_verify, with_hash=perceptual_hashes), paths, threads=_THREADS)
    return track(outcomes, "checking images", len(paths), quiet=quiet or len(paths) < _PROGRESS_FROM)


def _verify(path: Path, *, with_hash: bool) -> ImageInfo | ImageError:
    try:
        with open_and_hash(path) as (file, content_hash):
            image = identify(file, path)
            _check_end(image, file, path)
            # Decoding a TIFF turns it upright and discards its orientation; a PNG may store it after the pixels.
            orientation = read_orientation(image) if isinstance(image, TiffImagePlugin.TiffImageFile) else 1
            upright, size = decode_reduced(image, path, 1)
            orientation = max(orientation, read_orientation(image))
            looks = perceptual_hash(upright) if with_hash else None
    except ImageError as error:
        return error.without_traceback()
    return ImageInfo(size, content_hash, orientation, looks)


def _check_end(image: ImageFile.ImageFile, file: IO[bytes], path: Path) -> None:
    if isinstance(image, JpegImagePlugin.JpegImageFile) and not has_end_marker(file):
        raise image_error(
            path, "the JPEG is truncated (its end marker is missing)", "copy it again, or leave it out"
        )

"""Perceptual hashes, which are nearly the same for images that look the same.

The hash is the difference hash of the package ``dhash``: the image is reduced to 9 × 9 gray values, and each of
the 128 bits says whether a value is smaller than its neighbor to the right or below. It survives other sizes,
formats, compression and brightness, but not cropping, rotation or mirroring.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import dhash
import numpy as np
import numpy.typing as npt
from PIL import Image

from freeloc.errors import ImageError
from freeloc.images.decode import open_reduced

__all__ = ["HASH_BITS", "find_similar", "look_alike", "perceptual_hash"]

_SIZE: Final = 8

_MAX_SIDE: Final = 144
"""Width and height, in pixels, of the samples taken from a large image."""

HASH_BITS: Final = 2 * _SIZE * _SIZE
"""Number of bits of a hash."""

_MAX_DISTANCE: Final = 16
"""Maximum number of bits by which the hashes of two images that may look the same differ."""

_THUMBNAIL: Final = 16
"""Width and height, in pixels, to which two images are reduced to compare their colors."""

_MAX_COLOR_DIFFERENCE: Final = 10.0
"""Maximum difference of two images that look the same: the mean over the pixels of the reduced images, of 255."""

_BLOCK: Final = 2048
"""Number of hashes that are compared with all others at a time."""


def perceptual_hash(image: Image.Image) -> int:
    """Return the hash of an image of mode RGB, a number of `HASH_BITS` bits."""
    if min(image.size) > _MAX_SIDE:
        # A large image is sampled first, because averaging all its pixels takes ten times as long.
        image = image.resize((_MAX_SIDE, _MAX_SIDE), Image.Resampling.NEAREST)
    side = _SIZE + 1
    gray = image.convert("L").resize((side, side), Image.Resampling.BILINEAR)
    return int(dhash.dhash_int(list(gray.tobytes()), _SIZE))


def find_similar(hashes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return all pairs of images whose hashes differ in few bits.

    Args:
        hashes: the hashes of N images.

    Returns:
        (P, 2) int64 indices of the images of each pair, in ascending order.
    """
    count = len(hashes)
    raw = b"".join(value.to_bytes(HASH_BITS // 8, "big") for value in hashes)
    bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(count, HASH_BITS // 8), axis=1)
    # The product of two vectors of +1 and −1 is their length minus twice the number of places where they differ.
    signs = bits.astype(np.float32) * 2 - 1
    pairs = []
    for start in range(0, count, _BLOCK):
        products = signs[start : start + _BLOCK] @ signs[start:].T
        rows, columns = np.nonzero(products >= HASH_BITS - 2 * _MAX_DISTANCE)
        upper = columns > rows
        pairs.append(np.stack([rows[upper], columns[upper]], axis=1) + start)
    return np.concatenate([np.zeros((0, 2), np.int64), *pairs])


def look_alike(first: Path, second: Path) -> bool:
    """Return whether two images look the same, by comparing their colors; False if one cannot be read."""
    try:
        one, other = _thumbnail(first), _thumbnail(second)
    except ImageError:
        return False
    # Images that differ only in brightness look the same.
    difference = (one - one.mean()) - (other - other.mean())
    return float(np.abs(difference).mean()) <= _MAX_COLOR_DIFFERENCE


def _thumbnail(path: Path) -> npt.NDArray[np.float32]:
    image, _ = open_reduced(path, 8 * _THUMBNAIL)
    small = image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(small, np.float32)

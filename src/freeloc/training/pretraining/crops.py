"""Random crops of images, as windows of the network."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from freeloc._typing import Uint8Array
from freeloc.images.decode import ImageSource, open_reduced

__all__ = ["random_crop"]

_MARGIN: Final = 8 / 7
"""Shorter side of a resized image per side of the crop: 256 pixels for crops of 224."""

_DECODING_GAP: Final = 3
"""A JPEG is decoded at a reduced size whose shortest side is still at least this many times the crop's."""


def random_crop(source: ImageSource, window: int, random: np.random.Generator) -> Uint8Array:
    """Return a random square of an image, mirrored half of the time.

    The image is resized so that its shorter side is 8/7 of the window; the crop is drawn uniformly from the
    result.

    Args:
        source: the image.
        window: side of the crop, in pixels.
        random: the generator.

    Returns:
        (window, window, 3) uint8 RGB.

    Raises:
        ImageError: the image cannot be read.
    """
    image, _ = open_reduced(source, None, shortest=_DECODING_GAP * window)
    side = min(image.size) / _MARGIN
    left, top = (random.random() * (length - side) for length in image.size)
    box = (left, top, left + side, top + side)
    crop = image.resize((window, window), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    pixels = np.asarray(crop)
    return np.ascontiguousarray(pixels[:, ::-1] if random.random() < 0.5 else pixels)

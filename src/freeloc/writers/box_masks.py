"""The pixels of a class in a box, which are those of one object."""

from __future__ import annotations

import math

import numpy as np

from freeloc._typing import BoolArray
from freeloc.geometry.box import Corners

__all__ = ["mask_in_box"]


def mask_in_box(mask: BoolArray, corners: Corners) -> BoolArray:
    """Return the pixels of a (height, width) mask whose centers lie in a box.

    Args:
        mask: (height, width).
        corners: edges of the box in image coordinates.

    Returns:
        A mask of the same shape.
    """
    (left, right), (top, bottom) = (
        (max(math.ceil(start - 0.5), 0), max(math.ceil(end - 0.5), 0))
        for start, end in ((corners[0], corners[2]), (corners[1], corners[3]))
    )
    inside = np.zeros_like(mask)
    inside[top:bottom, left:right] = mask[top:bottom, left:right]
    return inside

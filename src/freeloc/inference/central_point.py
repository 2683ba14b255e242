"""Move a point from the most telling place of an object towards the middle of the object."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from freeloc._typing import Float32Array

__all__ = ["central_position"]

_LEVEL: Final = 0.8
"""Fraction of the peak's value that the map reaches in the region of the peak. On 800 training images of
Pascal VOC, 0.8 brought points farther inside the boxes than 0.9, and location AP was lower by 0.2 in both
cases."""


def central_position(values: Float32Array, peak: tuple[int, int]) -> tuple[int, int]:
    """Return the most central position of a peak's region.

    The region consists of the positions connected with the peak at which the map reaches 80% of the peak's
    value. Of these, the one with the largest product of value and distance from the region's border is
    returned; the border of the map is a border of the region.

    Args:
        values: (rows, cols) map with values of at least 0.
        peak: row and column of the peak.
    """
    regions, _ = ndimage.label(values >= _LEVEL * values[peak])
    region = regions == regions[peak]
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(np.argmax(depth * values), values.shape)
    return int(row), int(col)

"""The center baseline: the center of the image as the point of every class (paper, section 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freeloc._typing import Float64Array
from freeloc.geometry.size import Size

__all__ = ["center_points"]


def center_points(sizes: Sequence[Size], n_classes: int) -> Float64Array:
    """Return the image center as the point of every class.

    Args:
        sizes: N image sizes.
        n_classes: number of classes, K.

    Returns:
        (N, K, 2) float64 x and y in image coordinates.
    """
    centers = np.array([(size.width / 2, size.height / 2) for size in sizes], dtype=np.float64)
    return np.repeat(centers.reshape(-1, 1, 2), n_classes, axis=1)

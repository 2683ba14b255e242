"""Overlap of boxes as intersection over union."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array

__all__ = ["pairwise_iou"]


def pairwise_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> Float64Array:
    """Intersection over union of every box with every other.

    Args:
        first: (M, 4) ``x1, y1, x2, y2``, edges in image pixels.
        second: (N, 4) likewise.

    Returns:
        (M, N) float64 between 0 and 1; 0 where boxes do not meet, or only at an edge.
    """
    ones, others = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (first, second))
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (ones, others)]
    whole = areas[0][:, None] + areas[1][None] - shared
    overlap: Float64Array = np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)
    return overlap

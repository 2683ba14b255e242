"""Intersection over union of boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array

__all__ = ["pairwise_iou"]


def pairwise_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> Float64Array:
    """Compute the intersection over union of every pair of boxes.

    Args:
        first: (M, 4) edges ``x1, y1, x2, y2``, in image pixels.
        second: (N, 4) edges ``x1, y1, x2, y2``, in image pixels.

    Returns:
        (M, N) float64 values between 0 and 1, which are 0 for boxes that are disjoint or share only an edge.
    """
    first_boxes, second_boxes = (
        np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (first, second)
    )
    low = np.maximum(first_boxes[:, None, :2], second_boxes[None, :, :2])
    high = np.minimum(first_boxes[:, None, 2:], second_boxes[None, :, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=2)
    first_areas, second_areas = (
        np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first_boxes, second_boxes)
    )
    union = first_areas[:, None] + second_areas[None] - intersection
    iou: Float64Array = np.divide(
        intersection, union, out=np.zeros_like(intersection), where=intersection > 0
    )
    return iou

"""Boxes against boxes: how much they overlap, and which of many that mean the same are kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc.geometry import Float64Array

__all__ = ["SUPPRESSED_OVERLAP", "pairwise_iou", "suppress"]

SUPPRESSED_OVERLAP = 0.3
"""Overlap above which the less sure of two boxes goes, as in R-CNN."""


def pairwise_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> Float64Array:
    """Intersection over union of every box with every other.

    Args:
        first: (M, 4) ``x1, y1, x2, y2``, edges in photograph pixels.
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


def suppress(
    boxes: npt.ArrayLike, scores: npt.ArrayLike, overlap: float = SUPPRESSED_OVERLAP
) -> npt.NDArray[np.intp]:
    """Non-maximum suppression: of boxes that overlap, keep the surest.

    Args:
        boxes: (M, 4) ``x1, y1, x2, y2``.
        scores: (M,) higher is surer; of equals the first is the surer.
        overlap: intersection over union above which the less sure of two boxes is dropped.

    Returns:
        Indices of the boxes that are kept, the surest first.
    """
    placed = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    left = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    kept = []
    while len(left):
        kept.append(left[0])
        left = left[1:][pairwise_iou(placed[left[:1]], placed[left[1:]])[0] <= overlap]
    return np.array(kept, dtype=np.intp)

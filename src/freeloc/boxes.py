"""Boxes against boxes: how much they overlap, and which of many that mean the same are kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc.geometry import Float64Array

__all__ = ["SUPPRESSED_OVERLAP", "pairwise_iou", "suppress", "suppress_classes"]

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


def suppress_classes(
    boxes: npt.ArrayLike, scores: npt.ArrayLike, overlap: float = SUPPRESSED_OVERLAP
) -> list[npt.NDArray[np.intp]]:
    """What `suppress` gives for each of several classes that score the same boxes.

    How much the boxes overlap is worked out once, which takes memory for all pairs and saves most of the time.

    Args:
        boxes: (M, 4) ``x1, y1, x2, y2``.
        scores: (M, K), one column for each class.
        overlap: as of `suppress`.

    Returns:
        For each class the indices of its boxes that are kept, the surest first.
    """
    covered = pairwise_iou(boxes, boxes) > overlap
    found = []
    for column in np.asarray(scores, dtype=np.float64).T:
        dropped = np.zeros(len(column), dtype=np.bool_)
        kept = []
        for index in np.argsort(-column, kind="stable"):
            if not dropped[index]:
                kept.append(index)
                dropped |= covered[index]
        found.append(np.array(kept, dtype=np.intp))
    return found

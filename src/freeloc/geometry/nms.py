"""Boxes against boxes: how much they overlap, and which of many that mean the same are kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc.geometry.iou import pairwise_iou

__all__ = ["NMS_IOU", "nms", "nms_per_class"]


NMS_IOU = 0.3
"""Overlap above which the less sure of two boxes goes, as in R-CNN."""


def nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, overlap: float = NMS_IOU) -> npt.NDArray[np.intp]:
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


def nms_per_class(
    boxes: npt.ArrayLike, scores: npt.ArrayLike, overlap: float = NMS_IOU
) -> list[npt.NDArray[np.intp]]:
    """What `nms` gives for each of several classes that score the same boxes.

    How much the boxes overlap is worked out once, which takes memory for all pairs and saves most of the time.

    Args:
        boxes: (M, 4) ``x1, y1, x2, y2``.
        scores: (M, K), one column for each class.
        overlap: as of `nms`.

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

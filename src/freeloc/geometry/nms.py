"""Non-maximum suppression of boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import IntpArray
from freeloc.geometry.iou import pairwise_iou

__all__ = ["NMS_IOU", "nms", "nms_per_class"]


NMS_IOU = 0.3
"""Default intersection over union above which the box with the lower score is suppressed, as in R-CNN."""


def nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, iou_threshold: float = NMS_IOU) -> IntpArray:
    """Suppress boxes whose overlap with a kept box of higher score exceeds a threshold.

    Args:
        boxes: (M, 4) edges ``x1, y1, x2, y2``.
        scores: (M,) scores; among equal scores, the first ranks highest.
        iou_threshold: intersection over union above which the box with the lower score is suppressed.

    Returns:
        Indices of the kept boxes, highest score first.
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    remaining = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    kept = []
    while len(remaining):
        best, rest = remaining[:1], remaining[1:]
        kept.append(best[0])
        remaining = rest[pairwise_iou(corners[best], corners[rest])[0] <= iou_threshold]
    return np.array(kept, dtype=np.intp)


def nms_per_class(
    boxes: npt.ArrayLike, scores: npt.ArrayLike, iou_threshold: float = NMS_IOU
) -> list[IntpArray]:
    """Apply `nms` separately for each class to boxes that have one score per class.

    The overlaps of all pairs of boxes are computed only once, which saves most of the computation time but
    requires memory for M² values.

    Args:
        boxes: (M, 4) edges ``x1, y1, x2, y2``.
        scores: (M, K) scores, one column per class.
        iou_threshold: see `nms`.

    Returns:
        For each class, the indices of the kept boxes, highest score first.
    """
    overlaps = pairwise_iou(boxes, boxes) > iou_threshold
    kept_per_class = []
    for column in np.asarray(scores, dtype=np.float64).T:
        suppressed = np.zeros(len(column), dtype=np.bool_)
        kept = []
        for index in np.argsort(-column, kind="stable"):
            if not suppressed[index]:
                kept.append(index)
                suppressed |= overlaps[index]
        kept_per_class.append(np.array(kept, dtype=np.intp))
    return kept_per_class

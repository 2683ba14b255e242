"""Matching of predicted points to annotated boxes: each point is a hit, a miss or neither.

Shared by location AP and the pointing game.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from freeloc._literals import BoxDistance, FlaggedBoxPolicy
from freeloc._typing import BoolArray, Float64Array
from freeloc.geometry.size import Size
from freeloc.metrics.ground_truth import GroundTruth

__all__ = [
    "Outcome",
    "Outcomes",
    "box_distance",
    "check_points",
    "match_points",
]

Outcomes = npt.NDArray[np.int8]
"""(N, K) int8 array of `Outcome` values."""


class Outcome(IntEnum):
    """How the prediction for an image-class pair is counted."""

    ABSENT = 0
    """The class is absent: the prediction is a false positive."""
    HIT = 1
    """The class is present and the point falls on one of its objects: a true positive."""
    MISS = 2
    """The class is present but the point falls elsewhere: a false positive and a false negative."""
    IGNORED = 3
    """The pair is left out of the metric."""


def check_points(points: npt.ArrayLike, sizes: Sequence[Size], ground_truth: GroundTruth) -> Float64Array:
    """Convert points to an (N, K, 2) float64 array.

    Raises:
        ValueError: the points are not (N, K, 2), or points, sizes and ground truth have different numbers of
            images.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 3 or array.shape[2] != 2 or not len(array) == len(sizes) == ground_truth.n_images:
        raise ValueError(
            f"points have shape {array.shape}: they must be (N, K, 2), where N is both the number of sizes, "
            f"{len(sizes)}, and the number of images in the ground truth, {ground_truth.n_images}"
        )
    return array


def box_distance(points: Float64Array, boxes: Float64Array, distance: BoxDistance) -> Float64Array:
    """Compute the distances in pixels from (M, 2) points to (M, 4) boxes, pair by pair.

    Returns:
        (M,) float64; 0 inside a box and on its edge, NaN for NaN points.
    """
    outside = np.maximum(np.maximum(boxes[:, :2] - points, points - boxes[:, 2:]), 0.0)
    horizontal, vertical = outside[:, 0], outside[:, 1]
    return np.maximum(horizontal, vertical) if distance == "box" else np.hypot(horizontal, vertical)


def match_points(
    reached: BoolArray,
    ground_truth: GroundTruth,
    shape: tuple[int, int],
    difficult: FlaggedBoxPolicy,
    crowd: FlaggedBoxPolicy,
) -> Outcomes:
    """Classify every pair as HIT, IGNORED or MISS, based on the boxes that the points reach.

    If a point reaches boxes with different policies, the most favorable one applies: "hit" before
    "ignore" before "miss".

    Args:
        reached: (M,) bool, whether the point of the box's image and class reaches the box.
        ground_truth: the M boxes.
        shape: (N, K).
        difficult: policy for difficult boxes.
        crowd: policy for crowd boxes, including those also flagged difficult.

    Returns:
        (N, K) int8 `Outcome` values; pairs without boxes are MISS.
    """
    policies = np.where(ground_truth.crowd, crowd, np.where(ground_truth.difficult, difficult, "hit"))
    outcomes = np.full(shape, Outcome.MISS, dtype=np.int8)
    for policy, outcome in (("ignore", Outcome.IGNORED), ("hit", Outcome.HIT)):
        matched = reached & (policies == policy)
        outcomes[ground_truth.image[matched], ground_truth.label[matched]] = outcome
    return outcomes

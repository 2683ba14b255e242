"""How far inside their objects points lie, for points that are prompts or that something grips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.geometry.size import Size
from freeloc.metrics.ground_truth import GroundTruth
from freeloc.metrics.point_matching import check_points

__all__ = ["point_depths"]


def point_depths(points: npt.ArrayLike, sizes: Sequence[Size], ground_truth: GroundTruth) -> Float64Array:
    """Return the depth of each present class's point in its box.

    The depth is the distance from the nearest edge of the box as a fraction of half the box's shorter side: 0
    on an edge, and 1 in the middle between two long edges. If a point lies in several boxes of its class, its
    greatest depth counts; outside of all of them, its depth is 0. Crowd boxes are left out.

    Args:
        points: (N, K, 2) x and y in image coordinates.
        sizes: sizes of the N images.
        ground_truth: annotated boxes.

    Returns:
        (N, K) float64 depths; NaN for classes without a box in an image.

    Raises:
        ValueError: the points are not (N, K, 2), or there is another number of images.
    """
    array = check_points(points, sizes, ground_truth)
    kept = ~ground_truth.crowd
    image, label, boxes = ground_truth.image[kept], ground_truth.label[kept], ground_truth.boxes[kept]
    own = array[image, label]
    sides = boxes[:, 2:] - boxes[:, :2]
    nearest = np.minimum(own - boxes[:, :2], boxes[:, 2:] - own).min(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(nearest > 0, nearest / (sides.min(axis=1) / 2), 0.0)
    depths = np.full(array.shape[:2], np.nan)
    depths[image, label] = 0.0
    np.maximum.at(depths, (image, label), inside)
    return depths

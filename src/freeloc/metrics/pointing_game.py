"""The pointing game of Zhang et al. (Excitation Backprop): does each predicted point hit its class?

For every image and every class present in it, a disc with a radius of 15 pixels around the predicted point either
touches a box of the class (hit) or does not (miss). The accuracy of a class is hits / (hits + misses); the result
is the mean over classes. Scores are ignored, so the game does not measure recognition.

A class is present in an image if the image has at least one box of that class. An image-class pair is *played* if
it counts as a hit or a miss. Points and boxes are in image coordinates (`freeloc.geometry.grid`). docs/metrics.md
lists the differences from TorchRay, the public reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeloc._literals import FlaggedBoxPolicy, Reach
from freeloc._typing import BoolArray, Float64Array
from freeloc._validation import NonNegative, check_fields
from freeloc.errors import DatasetError, check_choice
from freeloc.geometry.size import Size
from freeloc.metrics.ground_truth import GroundTruth
from freeloc.metrics.point_matching import Outcome, Outcomes, box_distance, check_points, match_points
from freeloc.metrics.weighted_metric import WeightedMetric

__all__ = [
    "DIFFICULT_AREA",
    "HitCounts",
    "PointingAccumulator",
    "PointingOptions",
    "PointingResult",
    "PointingSet",
    "pointing_game",
    "pointing_outcomes",
    "union_area",
]

PointingSet = Literal["all", "difficult"]
"""Which image-class pairs are played: all pairs, or the difficult set of Zhang et al."""

DIFFICULT_AREA = 0.25
"""A pair is difficult only if the class covers less than this fraction of the image."""


@dataclass(frozen=True)
class PointingOptions:
    """Options of the pointing game.

    Attributes:
        tolerance: radius of the disc, in pixels of the original image.
        reach: what the disc must touch; TorchRay uses "pixel".
        difficult: how to count a point that reaches only boxes with VOC's difficult flag; TorchRay uses
            "hit". Pairs with only difficult boxes are never played.
        crowd: how to count a point that reaches only COCO's crowd boxes, including those also flagged
            difficult; TorchRay uses "hit". With any policy other than "hit", pairs with only crowd (or
            difficult) boxes are not played.

    Raises:
        ConfigurationError: an option has an unknown value, or the tolerance is not a number or negative.
    """

    tolerance: NonNegative = 15.0
    reach: Reach = "edge"
    difficult: FlaggedBoxPolicy = "hit"
    crowd: FlaggedBoxPolicy = "hit"

    def __post_init__(self) -> None:
        names = ("tolerance", "reach", "difficult", "crowd")
        check_fields(self, {name: f"pointing_{name}" for name in names})


@dataclass(frozen=True, eq=False)
class HitCounts(WeightedMetric):
    """Hits among the played pairs; the metric is accuracy.

    Attributes:
        hits: (N, K) bool, whether the point is a hit; False for pairs that were not played.
        played: (N, K) bool, whether the pair was played.
    """

    hits: BoolArray
    played: BoolArray

    def __post_init__(self) -> None:
        if self.hits.ndim != 2 or self.hits.shape != self.played.shape or (self.hits & ~self.played).any():
            raise ValueError("hit counts must be two (N, K) arrays, with hits only where a pair was played")

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return int(self.hits.shape[0])

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Compute the accuracy of every class for B weightings of the images.

        Args:
            weights: (B, N), non-negative; an integer weight w counts an image w times.

        Returns:
            (B, K) float64; NaN where a weighting contains no played pair of a class.
        """
        weight = self._weight_rows(weights)
        hits = weight @ self.hits.astype(np.float64)
        played = weight @ self.played.astype(np.float64)
        accuracy: Float64Array = np.divide(hits, played, out=np.full_like(hits, np.nan), where=played > 0)
        return accuracy


@dataclass(frozen=True, eq=False)
class PointingResult:
    """Result of the pointing game for K classes on N images.

    Attributes:
        outcomes: (N, K) int8 `freeloc.metrics.point_matching.Outcome` values.
        counts: the hit counts from which bootstrap intervals are computed.
    """

    outcomes: Outcomes
    counts: HitCounts

    @classmethod
    def from_outcomes(cls, outcomes: Outcomes) -> PointingResult:
        """Count the hits and misses of (N, K) outcomes."""
        hits = outcomes == Outcome.HIT
        return cls(outcomes, HitCounts(hits, hits | (outcomes == Outcome.MISS)))

    @property
    def per_class(self) -> Float64Array:
        """(K,) float64 accuracy; NaN for classes that were never played. Read-only."""
        return self.counts.per_class

    @property
    def mean(self) -> float:
        """Mean over the classes that were played."""
        return self.counts.mean


def union_area(boxes: npt.ArrayLike) -> float:
    """Compute the exact area of the union of (M, 4) boxes ``x1, y1, x2, y2``, in square pixels.

    The edges of all boxes, extended to lines, divide the plane into rectangles. Each rectangle lies either
    entirely inside or entirely outside a given box.
    """
    box = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    xs, ys = np.unique(box[:, 0::2]), np.unique(box[:, 1::2])
    covered = np.zeros((max(len(ys) - 1, 0), max(len(xs) - 1, 0)), dtype=np.bool_)
    columns, rows = np.searchsorted(xs, box[:, 0::2]), np.searchsorted(ys, box[:, 1::2])
    for (left, right), (top, bottom) in zip(columns, rows, strict=True):
        covered[top:bottom, left:right] = True
    return float(np.diff(ys) @ covered @ np.diff(xs)) if covered.size else 0.0


def _pixel_distance(points: Float64Array, boxes: Float64Array) -> Float64Array:
    """Compute the straight-line distances from (M, 2) points to the nearest pixel centers in (M, 4) boxes."""
    first = np.ceil(boxes[:, :2] - 0.5) + 0.5
    last = np.floor(boxes[:, 2:] - 0.5) + 0.5
    # A box too thin to contain a pixel center is represented by the pixel at its center.
    middle = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2) + 0.5
    first, last = np.where(last < first, middle, first), np.where(last < first, middle, last)
    nearest = np.clip(np.rint(points - 0.5) + 0.5, first, last)
    offset = points - nearest
    distance: Float64Array = np.hypot(offset[:, 0], offset[:, 1])
    return distance


def _played(ground_truth: GroundTruth, shape: tuple[int, int], crowd: FlaggedBoxPolicy) -> BoolArray:
    """Return an (N, K) mask of the pairs with a box that is neither difficult nor an excluded crowd box."""
    eligible = np.where(ground_truth.crowd, crowd == "hit", True) & ~ground_truth.difficult
    played = np.zeros(shape, dtype=np.bool_)
    played[ground_truth.image[eligible], ground_truth.label[eligible]] = True
    return played


def _difficult_pairs(ground_truth: GroundTruth, sizes: Sequence[Size], played: BoolArray) -> BoolArray:
    """Return an (N, K) mask of the played pairs whose class is small, in images with another played class."""
    selected: BoolArray = played & (played.sum(axis=1, keepdims=True) >= 2)
    pair = ground_truth.image * played.shape[1] + ground_truth.label
    order = np.argsort(pair, kind="stable")
    pairs, starts = np.unique(pair[order], return_index=True)
    for index, members in zip(pairs, np.split(order, starts)[1:], strict=True):
        image, label = divmod(int(index), played.shape[1])
        if not selected[image, label]:
            continue
        size = sizes[image]
        limits = (size.width, size.height, size.width, size.height)
        area = union_area(np.clip(ground_truth.boxes[members], 0, limits))
        selected[image, label] = area < DIFFICULT_AREA * size.width * size.height
    return selected


def pointing_outcomes(
    points: npt.ArrayLike,
    sizes: Sequence[Size],
    ground_truth: GroundTruth,
    subset: PointingSet = "all",
    options: PointingOptions | None = None,
) -> Outcomes:
    """Classify every image-class pair in a subset as a hit or a miss.

    Args:
        points: (N, K, 2) x and y in image coordinates; a NaN point never hits.
        sizes: N image sizes.
        ground_truth: the annotated boxes of the N images.
        subset: "all": pairs with at least one box that is not difficult. "difficult": the pairs of "all"
            whose class covers less than a quarter of the image (union of all its boxes, including difficult
            ones), in images where at least one other class is in "all".
        options: options of the game; None for the defaults.

    Returns:
        (N, K) int8 `freeloc.metrics.point_matching.Outcome` values: ABSENT if the pair has no boxes, IGNORED
        if it is not in the subset.

    Raises:
        ConfigurationError: ``subset`` is unknown.
        ValueError: shapes differ.
    """
    check_choice("subset", subset, PointingSet)
    options = options or PointingOptions()
    point = check_points(points, sizes, ground_truth)
    shape = (point.shape[0], point.shape[1])
    ground_truth.check(shape[1])
    target = point[ground_truth.image, ground_truth.label]
    if options.reach == "edge":
        reached = box_distance(target, ground_truth.boxes, "euclidean") <= options.tolerance
    else:
        reached = _pixel_distance(target, ground_truth.boxes) < options.tolerance
    outcomes = match_points(reached, ground_truth, shape, options.difficult, options.crowd)
    played = _played(ground_truth, shape, options.crowd)
    if subset == "difficult":
        played = _difficult_pairs(ground_truth, sizes, played)
    present = np.zeros(shape, dtype=np.bool_)
    present[ground_truth.image, ground_truth.label] = True
    outcomes[~played] = Outcome.IGNORED
    outcomes[~present] = Outcome.ABSENT
    return outcomes


def pointing_game(
    points: npt.ArrayLike,
    sizes: Sequence[Size],
    ground_truth: GroundTruth,
    subset: PointingSet = "all",
    options: PointingOptions | None = None,
) -> PointingResult:
    """Play the pointing game; for arguments and errors, see `pointing_outcomes`."""
    return PointingResult.from_outcomes(pointing_outcomes(points, sizes, ground_truth, subset, options))


class PointingAccumulator:
    """Plays the pointing game on images added one by one; the result equals that of `pointing_game`."""

    def __init__(self, subset: PointingSet = "all", options: PointingOptions | None = None) -> None:
        check_choice("subset", subset, PointingSet)
        self.subset: PointingSet = subset
        self.options = options or PointingOptions()
        self._outcomes: list[Outcomes] = []

    def add(self, points: npt.ArrayLike, size: Size, ground_truth: GroundTruth) -> Outcomes:
        """Add one image with its (K, 2) points.

        Returns:
            (K,) int8 `freeloc.metrics.point_matching.Outcome` values of this image.

        Raises:
            ValueError: shapes differ, or do not match those of earlier images.
        """
        point = np.asarray(points, dtype=np.float64)[None]
        outcomes: Outcomes = pointing_outcomes(point, [size], ground_truth, self.subset, self.options)[0]
        if self._outcomes and self._outcomes[0].shape != outcomes.shape:
            raise ValueError(
                f"the image has {len(outcomes)} classes, but earlier images have {len(self._outcomes[0])}"
            )
        self._outcomes.append(outcomes)
        return outcomes

    def compute(self) -> PointingResult:
        """Compute the result over all images added so far.

        Raises:
            DatasetError: no images were added.
        """
        if not self._outcomes:
            raise DatasetError("no images were added: add at least one")
        return PointingResult.from_outcomes(np.stack(self._outcomes))

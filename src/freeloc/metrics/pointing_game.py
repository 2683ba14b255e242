"""The pointing game of Zhang et al. (Excitation Backprop): the class is given, is the point on an object?

For every image and every class that is there, a disc of 15 pixels around the predicted point either
touches a box of the class (hit) or does not (miss). The accuracy of a class is hits / (hits + misses), the
result the mean over classes. Scores play no part, so the game says nothing about recognition.

Classes are present where they have boxes; points and boxes are in the image frame of
`freeloc.geometry.grid`. docs/metrics.md lists where TorchRay, the public reference, does otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeloc._choices import Reach
from freeloc._typing import BoolArray, Float64Array
from freeloc.errors import FreelocError, check_choice
from freeloc.geometry.size import Size
from freeloc.metrics.average_precision import mean_over_classes
from freeloc.metrics.location_ap import (
    BoxTable,
    FlaggedBoxPolicy,
    GroundTruth,
    Outcome,
    Outcomes,
    box_distance,
    match_points,
)

__all__ = [
    "DIFFICULT_AREA",
    "HitCounts",
    "PointingAccumulator",
    "PointingOptions",
    "PointingResult",
    "PointingSet",
    "Reach",
    "pointing_game",
    "pointing_outcomes",
    "union_area",
]

PointingSet = Literal["all", "difficult"]
"""Which pairs of image and class are played: all, or those of Zhang et al.'s difficult set."""

DIFFICULT_AREA = 0.25
"""A pair is difficult only where the class covers less than this share of the image."""


@dataclass(frozen=True)
class PointingOptions:
    """Choices of the pointing game.

    Attributes:
        tolerance: radius of the disc, in pixels of the original image.
        reach: see `Reach`. TorchRay: "pixel".
        difficult: what a point does that reaches only boxes with VOC's difficult flag; see
            `freeloc.metrics.location_ap.Fate`. TorchRay: "hit". Pairs with nothing but difficult boxes are
            never played.
        crowd: the same for COCO's crowd boxes. TorchRay: "hit". Unless it is "hit", pairs with nothing but
            crowd (or difficult) boxes are not played. A box with both flags follows this one.
    """

    tolerance: float = 15.0
    reach: Reach = "edge"
    difficult: FlaggedBoxPolicy = "hit"
    crowd: FlaggedBoxPolicy = "hit"

    def __post_init__(self) -> None:
        check_choice("pointing reach", self.reach, Reach)
        check_choice("pointing difficult", self.difficult, FlaggedBoxPolicy)
        check_choice("pointing crowd", self.crowd, FlaggedBoxPolicy)
        if not 0 <= self.tolerance < np.inf:
            raise FreelocError(f"pointing tolerance is {self.tolerance:g}: give 0 or more pixels")


@dataclass(frozen=True, eq=False)
class HitCounts:
    """Right answers among the pairs played: what an accuracy per class is made of.

    Attributes:
        hits: (N, K) bool, the answer was right; only where played.
        played: (N, K) bool, the pair took part.
    """

    hits: BoolArray
    played: BoolArray

    def __post_init__(self) -> None:
        if self.hits.ndim != 2 or self.hits.shape != self.played.shape or (self.hits & ~self.played).any():
            raise ValueError("a tally needs two (N, K) arrays, with hits only where a pair was played")

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return int(self.hits.shape[0])

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Accuracy of every class under many weightings of the images.

        Args:
            weights: (B, N) not negative; a whole number counts an image that many times.

        Returns:
            (B, K) float64; NaN where a class was never played under a weighting.
        """
        weight = np.asarray(weights, dtype=np.float64)
        if weight.ndim != 2 or weight.shape[1] != self.n_images:
            raise ValueError(f"weights have shape {weight.shape}, not (B, {self.n_images})")
        right = weight @ self.hits.astype(np.float64)
        played = weight @ self.played.astype(np.float64)
        accuracy: Float64Array = np.divide(right, played, out=np.full_like(right, np.nan), where=played > 0)
        return accuracy

    @cached_property
    def per_class(self) -> Float64Array:
        """(K,) float64 accuracy of every class; NaN where it was never played. Read-only."""
        values: Float64Array = self.values(np.ones((1, self.n_images)))[0]
        values.setflags(write=False)
        return values

    @property
    def mean(self) -> float:
        """Mean over the classes that were played."""
        return mean_over_classes(self.per_class)


@dataclass(frozen=True, eq=False)
class PointingResult:
    """The pointing game of K classes on N images.

    Attributes:
        per_class: (K,) float64 accuracy; NaN for classes that were never played.
        mean: mean over the classes that were played.
        hits: (K,) int64 numbers of hits.
        misses: (K,) int64 numbers of misses.
        outcomes: (N, K) int8 `freeloc.metrics.location_ap.Outcome` values.
        tally: what the bootstrap starts from.
    """

    per_class: Float64Array
    mean: float
    hits: npt.NDArray[np.int64]
    misses: npt.NDArray[np.int64]
    outcomes: Outcomes
    tally: HitCounts


def union_area(boxes: npt.ArrayLike) -> float:
    """Exact area covered by any of (M, 4) boxes ``x1, y1, x2, y2``, in square units of their edges.

    Every edge of a box is carried through the whole plane; the rectangles between the lines are either
    wholly inside a box or wholly outside.
    """
    box = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    xs, ys = np.unique(box[:, 0::2]), np.unique(box[:, 1::2])
    covered = np.zeros((max(len(ys) - 1, 0), max(len(xs) - 1, 0)), dtype=np.bool_)
    columns, rows = np.searchsorted(xs, box[:, 0::2]), np.searchsorted(ys, box[:, 1::2])
    for (left, right), (top, bottom) in zip(columns, rows, strict=True):
        covered[top:bottom, left:right] = True
    return float(np.diff(ys) @ covered @ np.diff(xs)) if covered.size else 0.0


def _pixel_distance(points: Float64Array, boxes: Float64Array) -> Float64Array:
    """Straight distances of (M, 2) points to the nearest centre of a pixel of (M, 4) boxes."""
    first = np.ceil(boxes[:, :2] - 0.5) + 0.5
    last = np.floor(boxes[:, 2:] - 0.5) + 0.5
    # A box too thin to hold the centre of a pixel is given the pixel that its own centre lies in.
    middle = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2) + 0.5
    first, last = np.where(last < first, middle, first), np.where(last < first, middle, last)
    nearest = np.clip(np.rint(points - 0.5) + 0.5, first, last)
    gap = points - nearest
    distance: Float64Array = np.hypot(gap[:, 0], gap[:, 1])
    return distance


def _played(table: BoxTable, shape: tuple[int, int], crowd: FlaggedBoxPolicy) -> BoolArray:
    """(N, K) bool: the pair has a box that is neither difficult nor set aside as a crowd."""
    plain = np.where(table.crowd, crowd == "hit", True) & ~table.difficult
    played = np.zeros(shape, dtype=np.bool_)
    played[table.image[plain], table.label[plain]] = True
    return played


def _difficult_pairs(table: BoxTable, sizes: Sequence[Size], played: BoolArray) -> BoolArray:
    """(N, K) bool: the played pairs in which the class is small and another played class is there too."""
    chosen: BoolArray = played & (played.sum(axis=1, keepdims=True) >= 2)
    pair = table.image * played.shape[1] + table.label
    order = np.argsort(pair, kind="stable")
    pairs, starts = np.unique(pair[order], return_index=True)
    for index, members in zip(pairs, np.split(order, starts)[1:], strict=True):
        image, label = divmod(int(index), played.shape[1])
        if not chosen[image, label]:
            continue
        size = sizes[image]
        limits = (size.width, size.height, size.width, size.height)
        area = union_area(np.clip(table.boxes[members], 0, limits))
        chosen[image, label] = area < DIFFICULT_AREA * size.width * size.height
    return chosen


def pointing_outcomes(
    points: npt.ArrayLike,
    sizes: Sequence[Size],
    objects: Sequence[GroundTruth],
    subset: PointingSet = "all",
    options: PointingOptions | None = None,
) -> Outcomes:
    """Hit or miss for every image and class of the chosen set.

    Args:
        points: (N, K, 2) x and y in image pixels; a NaN point never hits.
        sizes: N image sizes.
        objects: the annotated objects of the N images.
        subset: "all": pairs with at least one box that is not difficult. "difficult": of these, the pairs
            whose class covers less than a quarter of the image (union of all its boxes, the difficult
            ones included) while another class of the image is in "all" too.
        options: choices of the game; None takes the defaults.

    Returns:
        (N, K) int8 `freeloc.metrics.location_ap.Outcome` values: ABSENT without boxes, IGNORED where the pair
        is not in the set.

    Raises:
        FreelocError: ``subset`` is not known.
        ValueError: shapes differ.
    """
    check_choice("pointing set", subset, PointingSet)
    options = options or PointingOptions()
    point = np.asarray(points, dtype=np.float64)
    if point.ndim != 3 or point.shape[2] != 2 or not len(point) == len(sizes) == len(objects):
        raise ValueError(f"points have shape {point.shape}, not ({len(sizes)}, K, 2)")
    shape = (point.shape[0], point.shape[1])
    table = BoxTable.of(objects, shape[1])
    target = point[table.image, table.label]
    if options.reach == "edge":
        reached = box_distance(target, table.boxes, "euclidean") <= options.tolerance
    else:
        reached = _pixel_distance(target, table.boxes) < options.tolerance
    outcomes = match_points(reached, table, shape, options.difficult, options.crowd)
    played = _played(table, shape, options.crowd)
    if subset == "difficult":
        played = _difficult_pairs(table, sizes, played)
    present = np.zeros(shape, dtype=np.bool_)
    present[table.image, table.label] = True
    outcomes[~played] = Outcome.IGNORED
    outcomes[~present] = Outcome.ABSENT
    return outcomes


def _result(outcomes: Outcomes) -> PointingResult:
    hits, misses = outcomes == Outcome.HIT, outcomes == Outcome.MISS
    tally = HitCounts(hits, hits | misses)
    return PointingResult(
        tally.per_class,
        tally.mean,
        hits.sum(axis=0, dtype=np.int64),
        misses.sum(axis=0, dtype=np.int64),
        outcomes,
        tally,
    )


def pointing_game(
    points: npt.ArrayLike,
    sizes: Sequence[Size],
    objects: Sequence[GroundTruth],
    subset: PointingSet = "all",
    options: PointingOptions | None = None,
) -> PointingResult:
    """Play the pointing game; the arguments and errors are those of `pointing_outcomes`."""
    return _result(pointing_outcomes(points, sizes, objects, subset, options))


class PointingAccumulator:
    """The pointing game for images that come one at a time; the same result as `pointing_game`."""

    def __init__(self, subset: PointingSet = "all", options: PointingOptions | None = None) -> None:
        check_choice("pointing set", subset, PointingSet)
        self.subset: PointingSet = subset
        self.options = options or PointingOptions()
        self._outcomes: list[Outcomes] = []

    def add(self, points: npt.ArrayLike, size: Size, objects: GroundTruth) -> Outcomes:
        """Take in one image's (K, 2) points.

        Returns:
            (K,) int8 `freeloc.metrics.location_ap.Outcome` values of this image.

        Raises:
            ValueError: shapes differ, also from the images before.
        """
        point = np.asarray(points, dtype=np.float64)[None]
        outcomes: Outcomes = pointing_outcomes(point, [size], [objects], self.subset, self.options)[0]
        if self._outcomes and self._outcomes[0].shape != outcomes.shape:
            raise ValueError(f"an image has {len(outcomes)} classes, not {len(self._outcomes[0])}")
        self._outcomes.append(outcomes)
        return outcomes

    def compute(self) -> PointingResult:
        """The result over all images taken in so far.

        Raises:
            FreelocError: no image was taken in.
        """
        if not self._outcomes:
            raise FreelocError("no image was evaluated: give a data set with at least one image")
        return _result(np.stack(self._outcomes))

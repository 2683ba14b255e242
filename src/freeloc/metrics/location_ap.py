"""Location average precision: does the predicted point fall on an object of its class (paper, section 6)?

The paper gives the metric in one paragraph and released no code for it. What the paragraph leaves open is a
named field of `LocationOptions` here, each with a default and its reason; docs/metrics.md has the page.

Everything is in the image frame of `freeloc.geometry.grid`: pixels of the upright original image, the
centre of the top-left pixel at (0.5, 0.5), boxes ``x1, y1, x2, y2`` as edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from freeloc._choices import BoxDistance, FlaggedBoxPolicy, LocationRanking, ToleranceFrame
from freeloc._typing import BoolArray, Float64Array
from freeloc.errors import FreelocError, check_choice
from freeloc.geometry.size import Size, normalized_length
from freeloc.metrics.average_precision import APFlavour, Ranking

__all__ = [
    "BoxDistance",
    "BoxTable",
    "FlaggedBoxPolicy",
    "GroundTruth",
    "LocationAccumulator",
    "LocationOptions",
    "LocationResult",
    "Outcome",
    "Outcomes",
    "box_distance",
    "centre_points",
    "location_ap",
    "location_outcomes",
    "location_ranking",
    "match_points",
]

Outcomes = npt.NDArray[np.int8]
"""(N, K) int8 array of `Outcome` values."""


class Outcome(IntEnum):
    """What became of the prediction for one image and class."""

    ABSENT = 0
    """The class is not in the image: a false positive at its confidence."""
    HIT = 1
    """The class is there and the point fell on it: a true positive."""
    MISS = 2
    """The class is there and the point fell elsewhere: a false positive and a false negative."""
    IGNORED = 3
    """The pair takes no part."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The annotated objects of one image.

    Attributes:
        boxes: (M, 4) float64 ``x1, y1, x2, y2``, edges in image pixels, x1 ≤ x2 and y1 ≤ y2.
        labels: (M,) integer class indices.
        difficult: (M,) bool, VOC's flag.
        crowd: (M,) bool, COCO's flag: the box holds a group of objects.
    """

    boxes: Float64Array
    labels: npt.NDArray[np.intp]
    difficult: BoolArray
    crowd: BoolArray

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.boxes.shape != (count, 4) or {a.shape for a in (self.labels, self.difficult, self.crowd)} != {
            (count,)
        }:
            raise ValueError("objects need (M, 4) boxes and (M,) labels, difficult and crowd flags")
        if not (self.boxes[:, :2] <= self.boxes[:, 2:]).all():
            raise ValueError("a box needs x1 ≤ x2 and y1 ≤ y2, and no NaN")

    @classmethod
    def build(
        cls,
        boxes: npt.ArrayLike = (),
        labels: npt.ArrayLike = (),
        difficult: npt.ArrayLike | None = None,
        crowd: npt.ArrayLike | None = None,
    ) -> GroundTruth:
        """Objects from lists; flags that are not given are False. Without arguments: no objects."""
        label = np.asarray(labels, dtype=np.intp).reshape(-1)
        plain = np.zeros(len(label), dtype=np.bool_)
        return cls(
            np.asarray(boxes, dtype=np.float64).reshape(-1, 4),
            label,
            plain if difficult is None else np.asarray(difficult, dtype=np.bool_).reshape(-1),
            plain if crowd is None else np.asarray(crowd, dtype=np.bool_).reshape(-1),
        )


@dataclass(frozen=True)
class LocationOptions:
    """The choices section 6 of the paper leaves open; docs/metrics.md gives the reason for each default.

    Attributes:
        ranking: what ranks the images: "score", the classification score of the class (mean over
            scales of the maxima), or "response", the map's value at the predicted point.
        tolerance: how far outside a box a point may fall, in pixels; the paper's 18.
        tolerance_frame: which pixels: "original" image, or "normalized": the image resized so
            that its longest side is 500 pixels.
        distance: see `BoxDistance`.
        difficult: see `Fate`; for boxes with VOC's difficult flag.
        crowd: see `Fate`; for COCO's crowd boxes. A box with both flags follows this one.
        flavour: see `APFlavour`.
    """

    ranking: LocationRanking = "score"
    tolerance: float = 18.0
    tolerance_frame: ToleranceFrame = "original"
    distance: BoxDistance = "box"
    difficult: FlaggedBoxPolicy = "hit"
    crowd: FlaggedBoxPolicy = "ignore"
    flavour: APFlavour = "area"

    def __post_init__(self) -> None:
        check_choice("location ranking", self.ranking, LocationRanking)
        check_choice("location tolerance frame", self.tolerance_frame, ToleranceFrame)
        check_choice("location distance", self.distance, BoxDistance)
        check_choice("location difficult", self.difficult, FlaggedBoxPolicy)
        check_choice("location crowd", self.crowd, FlaggedBoxPolicy)
        check_choice("location AP flavour", self.flavour, APFlavour)
        if not 0 <= self.tolerance < np.inf:
            raise FreelocError(f"location tolerance is {self.tolerance:g}: give 0 or more pixels")


@dataclass(frozen=True, eq=False)
class BoxTable:
    """The boxes of many images in one list, so that all are measured at once.

    Attributes:
        image: (M,) index of each box's image.
        label: (M,) class index of each box.
        boxes: (M, 4) float64.
        difficult: (M,) bool.
        crowd: (M,) bool.
    """

    image: npt.NDArray[np.intp]
    label: npt.NDArray[np.intp]
    boxes: Float64Array
    difficult: BoolArray
    crowd: BoolArray

    @classmethod
    def of(cls, objects: Sequence[GroundTruth], n_classes: int) -> BoxTable:
        """Put the objects of N images in one list.

        Raises:
            ValueError: a class index is not below ``n_classes``.
        """
        everything = (GroundTruth.build(), *objects)
        label = np.concatenate([item.labels for item in everything])
        if ((label < 0) | (label >= n_classes)).any():
            raise ValueError(f"a box has a class index outside 0..{n_classes - 1}")
        return cls(
            np.repeat(
                np.arange(len(objects)), np.array([len(item.labels) for item in objects], dtype=np.intp)
            ),
            label,
            np.concatenate([item.boxes for item in everything]),
            np.concatenate([item.difficult for item in everything]),
            np.concatenate([item.crowd for item in everything]),
        )


def box_distance(points: Float64Array, boxes: Float64Array, distance: BoxDistance) -> Float64Array:
    """Distances of (M, 2) points to (M, 4) boxes, in pixels; 0 inside and on the edge, NaN for NaN points."""
    outside = np.maximum(np.maximum(boxes[:, :2] - points, points - boxes[:, 2:]), 0.0)
    across, down = outside[:, 0], outside[:, 1]
    return np.maximum(across, down) if distance == "box" else np.hypot(across, down)


def match_points(
    reached: BoolArray,
    table: BoxTable,
    shape: tuple[int, int],
    difficult: FlaggedBoxPolicy,
    crowd: FlaggedBoxPolicy,
) -> Outcomes:
    """HIT, IGNORED or MISS for every pair, from the boxes that their points reached.

    Args:
        reached: (M,) bool, the point of the box's image and class reaches the box.
        table: the M boxes.
        shape: N and K.
        difficult: what a point does that reaches only difficult boxes.
        crowd: what a point does that reaches only crowd boxes. One that reaches both kinds gets the better
            of the two fates: hit before ignore before miss.

    Returns:
        (N, K) int8 `Outcome` values; pairs without boxes are MISS.
    """
    fates = np.where(table.crowd, crowd, np.where(table.difficult, difficult, "hit"))
    outcomes = np.full(shape, Outcome.MISS, dtype=np.int8)
    for fate, outcome in (("ignore", Outcome.IGNORED), ("hit", Outcome.HIT)):
        won = reached & (fates == fate)
        outcomes[table.image[won], table.label[won]] = outcome
    return outcomes


def _points_and_sizes(
    points: npt.ArrayLike, sizes: Sequence[Size], objects: Sequence[GroundTruth]
) -> Float64Array:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 3 or array.shape[2] != 2 or not len(array) == len(sizes) == len(objects):
        raise ValueError(
            f"points have shape {array.shape}, not (N, K, 2) for {len(sizes)} sizes, {len(objects)} objects"
        )
    return array


def _labels(labels: npt.ArrayLike, shape: tuple[int, int]) -> npt.NDArray[np.int8]:
    array = np.asarray(labels)
    if array.shape != shape or not np.isin(array, (-1, 0, 1)).all():
        raise ValueError(f"labels must be -1, 0 or +1 in an array of shape {shape}")
    return array.astype(np.int8)


def location_outcomes(
    points: npt.ArrayLike,
    sizes: Sequence[Size],
    objects: Sequence[GroundTruth],
    labels: npt.ArrayLike,
    options: LocationOptions | None = None,
) -> Outcomes:
    """Whether each predicted point falls on an object of its class.

    The labels decide which classes are present, the boxes only where they are: a pair with label +1 and no
    box is a miss. A NaN point stands for "no location given" and never hits. Boundaries are inclusive.

    Args:
        points: (N, K, 2) x and y in image pixels, one per image and class.
        sizes: N image sizes.
        objects: the annotated objects of the N images.
        labels: (N, K) +1 present, −1 absent, 0 left out.
        options: the paper's open choices; None takes the defaults.

    Returns:
        (N, K) int8 `Outcome` values.

    Raises:
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    options = options or LocationOptions()
    point = _points_and_sizes(points, sizes, objects)
    shape = (point.shape[0], point.shape[1])
    label = _labels(labels, shape)
    table = BoxTable.of(objects, shape[1])
    if options.tolerance_frame == "normalized":
        per_image = np.array([normalized_length(size, options.tolerance) for size in sizes], dtype=np.float64)
    else:
        per_image = np.full(len(sizes), options.tolerance)
    distance = box_distance(point[table.image, table.label], table.boxes, options.distance)
    outcomes = match_points(
        distance <= per_image[table.image], table, shape, options.difficult, options.crowd
    )
    outcomes[label < 0] = Outcome.ABSENT
    outcomes[label == 0] = Outcome.IGNORED
    return outcomes


def location_ranking(outcomes: Outcomes, confidence: npt.ArrayLike, flavour: APFlavour = "area") -> Ranking:
    """The ranking behind the location average precision.

    Args:
        outcomes: (N, K) `Outcome` values.
        confidence: (N, K) scores or responses, higher is surer.
        flavour: see `APFlavour`.

    Raises:
        FreelocError: a confidence that counts is NaN, or the flavour is not known.
        ValueError: shapes differ.
    """
    hits = outcomes == Outcome.HIT
    positives = hits | (outcomes == Outcome.MISS)
    return Ranking(
        np.asarray(confidence, dtype=np.float64), hits, positives, outcomes != Outcome.IGNORED, flavour
    )


@dataclass(frozen=True, eq=False)
class LocationResult:
    """Location average precision of K classes on N images.

    Attributes:
        per_class: (K,) float64 average precision; NaN for classes without positives.
        mean: mean over the classes with positives.
        outcomes: (N, K) int8 `Outcome` values.
        ranking: what the bootstrap and the precision-recall curves start from.
        options: how the paper's open choices were taken.
    """

    per_class: Float64Array
    mean: float
    outcomes: Outcomes
    ranking: Ranking
    options: LocationOptions


def _confidence(
    scores: npt.ArrayLike, responses: npt.ArrayLike | None, options: LocationOptions
) -> Float64Array:
    if options.ranking == "score":
        return np.asarray(scores, dtype=np.float64)
    if responses is None:
        raise FreelocError(
            "location ranking is 'response' but the predictions hold no responses: give them, or use 'score'"
        )
    return np.asarray(responses, dtype=np.float64)


def _result(outcomes: Outcomes, confidence: Float64Array, options: LocationOptions) -> LocationResult:
    ranking = location_ranking(outcomes, confidence, options.flavour)
    return LocationResult(ranking.per_class, ranking.mean, outcomes, ranking, options)


def location_ap(
    points: npt.ArrayLike,
    sizes: Sequence[Size],
    objects: Sequence[GroundTruth],
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    responses: npt.ArrayLike | None = None,
    options: LocationOptions | None = None,
) -> LocationResult:
    """Location average precision (paper, section 6).

    Args:
        points: (N, K, 2) x and y in image pixels.
        sizes: N image sizes.
        objects: the annotated objects of the N images.
        labels: (N, K) +1 present, −1 absent, 0 left out.
        scores: (N, K) classification scores.
        responses: (N, K) values of the maps at the points; needed only for ``ranking="response"``.
        options: the paper's open choices; None takes the defaults.

    Raises:
        FreelocError: the responses are needed and missing, or a confidence that counts is NaN.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    options = options or LocationOptions()
    outcomes = location_outcomes(points, sizes, objects, labels, options)
    return _result(outcomes, _confidence(scores, responses, options), options)


class LocationAccumulator:
    """Location average precision of images that come one at a time.

    Only the outcome and the confidence of each pair are kept. ``compute`` gives exactly what `location_ap`
    gives for all images together.
    """

    def __init__(self, options: LocationOptions | None = None) -> None:
        self.options = options or LocationOptions()
        self._outcomes: list[Outcomes] = []
        self._confidence: list[Float64Array] = []

    def add(
        self,
        points: npt.ArrayLike,
        size: Size,
        objects: GroundTruth,
        labels: npt.ArrayLike,
        scores: npt.ArrayLike,
        responses: npt.ArrayLike | None = None,
    ) -> Outcomes:
        """Take in one image: (K, 2) points, (K,) labels, scores and responses.

        Returns:
            (K,) int8 `Outcome` values of this image.

        Raises:
            FreelocError: the responses are needed and missing, or a confidence that counts is NaN.
            ValueError: shapes differ, also from the images before.
        """
        point, label = np.asarray(points, dtype=np.float64)[None], np.asarray(labels)[None]
        outcomes = location_outcomes(point, [size], [objects], label, self.options)
        confidence = _confidence(scores, responses, self.options)
        # Built only for its checks: a NaN is refused while the caller still knows its image.
        location_ranking(outcomes, confidence[None])
        if self._outcomes and self._outcomes[0].shape != outcomes[0].shape:
            raise ValueError(f"an image has {outcomes.shape[1]} classes, not {len(self._outcomes[0])}")
        self._outcomes.append(outcomes[0])
        self._confidence.append(confidence.copy())
        return self._outcomes[-1]

    def compute(self) -> LocationResult:
        """The result over all images taken in so far.

        Raises:
            FreelocError: no image was taken in.
        """
        if not self._outcomes:
            raise FreelocError("no image was evaluated: give a data set with at least one image")
        return _result(np.stack(self._outcomes), np.stack(self._confidence), self.options)


def centre_points(sizes: Sequence[Size], n_classes: int) -> Float64Array:
    """The baseline that points at the centre of the image for every class (paper, section 6).

    Args:
        sizes: N image sizes.
        n_classes: number of classes, K.

    Returns:
        (N, K, 2) float64 x and y in image pixels.
    """
    centres = np.array([(size.width / 2, size.height / 2) for size in sizes], dtype=np.float64).reshape(
        -1, 1, 2
    )
    return np.repeat(centres, n_classes, axis=1)

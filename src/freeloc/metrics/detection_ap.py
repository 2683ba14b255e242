"""Average precision of boxes by the rules of the VOC devkit, for detectors that are measured beside points.

Each detection looks at the objects of its class in its image and takes the one it overlaps most, as
intersection over union. Where the overlap reaches the threshold, the surest detection of an object is a true
positive and every other one a false positive; an overlap below the threshold is a false positive. Detections
that take an object flagged as difficult or as a crowd are left out, and so is the object.

Boxes are edges in the image frame of `freeloc.geometry.grid`. The devkit counts the pixels from the first to
the last, both included; the readers of data sets turn those into edges one pixel further apart, so widths,
heights and areas here are the devkit's own numbers, and so are the overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from freeloc._typing import BoolArray, Float64Array, IntpArray
from freeloc.errors import FreelocError, check_choice
from freeloc.metrics.average_precision import (
    APFlavour,
    PrecisionRecallCurve,
    Ranking,
    mean_over_classes,
    precision_recall_curve,
)
from freeloc.metrics.location_ap import BoxTable, GroundTruth

__all__ = [
    "BOX_IOU",
    "DetectionRanking",
    "Detections",
    "best_boxes",
    "check_iou",
    "detection_ap",
    "detection_ranking",
    "detection_rankings",
]

BOX_IOU = (0.5, 0.3, 0.1)
"""Overlaps that boxes are asked for: VOC's own, and two that forgive boxes around a part of an object."""


_CHUNK = 2**21
"""Weights held at a time, resamples times detections: a few arrays of 16 MiB."""


@dataclass(frozen=True, eq=False)
class Detections:
    """The boxes a detector found in N images, in any order.

    Attributes:
        image: (M,) index of each box's image.
        label: (M,) class index.
        score: (M,) float64, higher is surer; infinities are allowed.
        boxes: (M, 4) float64 ``x1, y1, x2, y2``, edges in image pixels, x1 ≤ x2 and y1 ≤ y2.

    Raises:
        FreelocError: a score is NaN.
        ValueError: shapes differ, or a box ends before it starts or holds NaN.
    """

    image: IntpArray
    label: IntpArray
    score: Float64Array
    boxes: Float64Array

    def __post_init__(self) -> None:
        count = len(self.image)
        if self.boxes.shape != (count, 4) or {a.shape for a in (self.image, self.label, self.score)} != {
            (count,)
        }:
            raise ValueError("detections need (M,) image, label and score, and (M, 4) boxes")
        if not (self.boxes[:, :2] <= self.boxes[:, 2:]).all():
            raise ValueError("a box needs x1 ≤ x2 and y1 ≤ y2, and no NaN")
        if np.isnan(self.score).any():
            raise FreelocError("a detection has the score NaN and cannot be ranked: check the detector")

    def __len__(self) -> int:
        return len(self.image)

    @classmethod
    def build(
        cls,
        image: npt.ArrayLike = (),
        label: npt.ArrayLike = (),
        score: npt.ArrayLike = (),
        boxes: npt.ArrayLike = (),
    ) -> Detections:
        """Detections from lists. Without arguments: none at all."""
        return cls(
            np.asarray(image, dtype=np.intp).reshape(-1),
            np.asarray(label, dtype=np.intp).reshape(-1),
            np.asarray(score, dtype=np.float64).reshape(-1),
            np.asarray(boxes, dtype=np.float64).reshape(-1, 4),
        )

    def check(self, n_images: int, n_classes: int) -> None:
        """See that every image and class is one of those measured.

        Raises:
            ValueError: an index is outside its range.
        """
        for name, index, count in (
            ("image", self.image, n_images),
            ("class", self.label, n_classes),
        ):
            if ((index < 0) | (index >= count)).any():
                raise ValueError(f"a detection has a {name} index outside 0..{count - 1}")


def best_boxes(detections: Detections, n_images: int, n_classes: int) -> tuple[Float64Array, Float64Array]:
    """The surest box of every image and class, as a score and a point (paper, section 6, R-CNN).

    Args:
        detections: all boxes; of equally sure ones the first is taken.
        n_images: number of images, N.
        n_classes: number of classes, K.

    Returns:
        (N, K) float64 scores, −inf without a box, and (N, K, 2) float64 centres of the boxes, NaN without one.

    Raises:
        ValueError: an index is outside its range.
    """
    detections.check(n_images, n_classes)
    scores = np.full((n_images, n_classes), -np.inf)
    points = np.full((n_images, n_classes, 2), np.nan)
    # Surest last, and of equals the first last, so that what is written last stays.
    order = np.argsort(-detections.score, kind="stable")[::-1]
    image, label = detections.image[order], detections.label[order]
    scores[image, label] = detections.score[order]
    points[image, label] = (detections.boxes[order, :2] + detections.boxes[order, 2:]) / 2
    return scores, points


@dataclass(frozen=True, eq=False)
class _Taken:
    """The object that each detection overlaps most.

    Attributes:
        target: (M,) index of the object, −1 where the detection overlaps none of its class.
        overlap: (M,) float64 intersection over union with it, 0 without one.
    """

    target: IntpArray
    overlap: Float64Array

    @classmethod
    def of(cls, detections: Detections, table: BoxTable, n_classes: int) -> _Taken:
        groups = table.image * n_classes + table.label
        order = np.argsort(groups, kind="stable")
        wanted = detections.image * n_classes + detections.label
        first = np.searchsorted(groups[order], wanted, side="left")
        counts = np.searchsorted(groups[order], wanted, side="right") - first
        # One row for each detection and each object it may take, detection by detection.
        starts = np.cumsum(counts) - counts
        who = np.repeat(np.arange(len(detections)), counts)
        whom = order[np.arange(len(who)) - np.repeat(starts - first, counts)]
        overlap = _overlap(detections.boxes[who], table.boxes[whom])
        target, best = np.full(len(detections), -1, dtype=np.intp), np.zeros(len(detections))
        # Largest overlap first; of equal ones the object that is annotated first, as the devkit's loop has it.
        ranked = np.lexsort((np.arange(len(who)), -overlap, who))
        leaders = ranked[starts[counts > 0]]
        leaders = leaders[overlap[leaders] > 0]
        target[who[leaders]], best[who[leaders]] = whom[leaders], overlap[leaders]
        return cls(target, best)


def _overlap(first: Float64Array, second: Float64Array) -> Float64Array:
    """Intersection over union of two (P, 4) lists of boxes, pair by pair; 0 where they do not meet."""
    side = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    shared = np.where((side > 0).all(axis=1), side[:, 0] * side[:, 1], 0.0)
    areas = [np.prod(box[:, 2:] - box[:, :2], axis=1) for box in (first, second)]
    whole = areas[0] + areas[1] - shared
    overlap: Float64Array = np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)
    return overlap


@dataclass(frozen=True, eq=False)
class DetectionRanking:
    """Everything the average precision of boxes needs to know about N images and K classes.

    It is a `freeloc.metrics.bootstrap.WeightedMetric`: intervals and paired differences work on it.

    Attributes:
        detections: the M boxes.
        hits: (M,) bool, the box is a true positive.
        counted: (M,) bool, the box takes part; holds every hit.
        positives: (N, K) int64 numbers of objects that should be found.
        iou: overlap that a hit needs.
        flavour: see `APFlavour`.
    """

    detections: Detections
    hits: BoolArray
    count_of: BoolArray
    positives: npt.NDArray[np.int64]
    iou: float
    flavour: APFlavour = "area"

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return int(self.positives.shape[0])

    @property
    def n_classes(self) -> int:
        """Number of classes, K."""
        return int(self.positives.shape[1])

    @cached_property
    def _rankings(self) -> tuple[tuple[IntpArray, Ranking], ...]:
        """For each class, a ranking whose rows are boxes and missed objects, and the image of each row."""
        found = np.zeros_like(self.positives)
        np.add.at(found, (self.detections.image[self.hits], self.detections.label[self.hits]), 1)
        missed = self.positives - found
        return tuple(self._ranking(label, missed[:, label]) for label in range(self.n_classes))

    def _ranking(self, label: int, missed: npt.NDArray[np.int64]) -> tuple[IntpArray, Ranking]:
        members = np.flatnonzero(self.count_of & (self.detections.label == label))
        hits = np.append(self.hits[members], np.zeros(missed.sum(), dtype=np.bool_))
        positives = hits.copy()
        positives[len(members) :] = True
        # A missed object has a row of its own, so that the positives can be weighted. It stands below every
        # box, where nothing is found any more and no flavour of AP feels it: scores become their ranks from
        # 0 on, which leaves −1 for it even where a score is −inf.
        ranks = np.unique(self.detections.score[members], return_inverse=True)[1].astype(np.float64)
        confidence = np.append(ranks, np.full(missed.sum(), -1.0))
        image = np.append(self.detections.image[members], np.repeat(np.arange(self.n_images), missed))
        count_of = np.ones_like(hits)
        return image, Ranking(
            confidence[:, None], hits[:, None], positives[:, None], count_of[:, None], self.flavour
        )

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Average precision of every class under many weightings of the images.

        Args:
            weights: (B, N) not negative; a whole number counts an image that many times.

        Returns:
            (B, K) float64; NaN where a class has no object under a weighting.
        """
        weight = np.asarray(weights, dtype=np.float64)
        if weight.ndim != 2 or weight.shape[1] != self.n_images:
            raise ValueError(f"weights have shape {weight.shape}, not (B, {self.n_images})")
        result = np.empty((len(weight), self.n_classes))
        for k, (image, ranking) in enumerate(self._rankings):
            at_once = max(1, _CHUNK // max(1, len(image)))
            for start in range(0, len(weight), at_once):
                chunk = slice(start, start + at_once)
                result[chunk, k] = ranking.values(weight[chunk, image])[:, 0]
        return result

    @cached_property
    def per_class(self) -> Float64Array:
        """(K,) float64 average precision of every class; NaN without objects. Read-only."""
        values: Float64Array = self.values(np.ones((1, self.n_images)))[0]
        values.setflags(write=False)
        return values

    @property
    def mean(self) -> float:
        """Mean over the classes that have objects."""
        return mean_over_classes(self.per_class)

    def curve(self, label: int) -> PrecisionRecallCurve:
        """The precision-recall curve of the class with index ``label``."""
        rows = self.count_of & (self.detections.label == label)
        return precision_recall_curve(
            self.detections.score[rows], self.hits[rows], float(self.positives[:, label].sum())
        )


def check_iou(iou: float) -> None:
    """Refuse an overlap that no box or every box would reach.

    Raises:
        FreelocError: it is not above 0 and at most 1.
    """
    if not 0 < iou <= 1:
        raise FreelocError(f"box IoU is {iou:g}: give a number above 0 and at most 1, such as 0.5")


def detection_rankings(
    detections: Detections,
    objects: Sequence[GroundTruth],
    n_classes: int,
    ious: Sequence[float] = BOX_IOU,
    flavour: APFlavour = "area",
) -> tuple[DetectionRanking, ...]:
    """The rankings behind the average precision of boxes, one for each overlap asked for.

    Args:
        detections: the boxes found.
        objects: the annotated objects of the N images.
        n_classes: number of classes, K.
        ious: intersection over union that a hit needs, each above 0 and at most 1; inclusive.
        flavour: see `APFlavour`.

    Raises:
        FreelocError: an overlap is outside (0, 1], or the flavour is not known.
        ValueError: an image or class index is outside its range.
    """
    check_choice("the AP flavour", flavour, APFlavour)
    for iou in ious:
        check_iou(iou)
    detections.check(len(objects), n_classes)
    table = BoxTable.of(objects, n_classes)
    taken = _Taken.of(detections, table, n_classes)
    flagged = table.difficult | table.crowd
    positives = np.zeros((len(objects), n_classes), dtype=np.int64)
    np.add.at(positives, (table.image[~flagged], table.label[~flagged]), 1)
    surest = np.argsort(-detections.score, kind="stable")
    made = []
    for iou in ious:
        reached = (taken.target >= 0) & (taken.overlap >= iou)
        left_out = np.zeros(len(detections), dtype=np.bool_)
        left_out[reached] = flagged[taken.target[reached]]
        able = surest[reached[surest] & ~left_out[surest]]
        hits = np.zeros(len(detections), dtype=np.bool_)
        hits[able[np.unique(taken.target[able], return_index=True)[1]]] = True
        made.append(DetectionRanking(detections, hits, ~left_out, positives, iou, flavour))
    return tuple(made)


def detection_ranking(
    detections: Detections,
    objects: Sequence[GroundTruth],
    n_classes: int,
    iou: float = 0.5,
    flavour: APFlavour = "area",
) -> DetectionRanking:
    """`detection_rankings` for one overlap; the other arguments and the errors are the same."""
    return detection_rankings(detections, objects, n_classes, (iou,), flavour)[0]


def detection_ap(
    detections: Detections,
    objects: Sequence[GroundTruth],
    n_classes: int,
    ious: Sequence[float] = BOX_IOU,
    flavour: APFlavour = "area",
) -> Float64Array:
    """Average precision of boxes at several overlaps and for every class: (T, K) float64.

    The arguments and errors are those of `detection_rankings`; classes without objects are NaN.
    """
    rankings = detection_rankings(detections, objects, n_classes, ious, flavour)
    return np.stack([ranking.per_class for ranking in rankings]) if rankings else np.empty((0, n_classes))

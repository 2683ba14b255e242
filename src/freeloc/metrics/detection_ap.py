"""Average precision of boxes under the VOC devkit's rules, for evaluating detectors alongside points.

Each detection is matched to the annotated box of the same image and class that it overlaps most (intersection
over union). Among the detections that are matched to the same box and whose overlap reaches the threshold, the
one with the highest score is a true positive and the others are false positives. Detections whose overlap is below
the threshold are false positives. Boxes flagged difficult or crowd are left out, along with the detections that
match them.

Boxes are given by their edges in image coordinates (`freeloc.geometry.grid`). The devkit instead gives the
first and last pixel, both inclusive; dataset readers convert these to edges one pixel farther apart, so that
widths, heights, areas and overlaps equal the devkit's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from freeloc._literals import APFlavour
from freeloc._typing import BoolArray, Float64Array, IntpArray
from freeloc.errors import ConfigurationError, check_choice
from freeloc.metrics.detections import Detections
from freeloc.metrics.ground_truth import GroundTruth
from freeloc.metrics.precision_recall import PrecisionRecallCurve, precision_recall_curve
from freeloc.metrics.ranking import Ranking
from freeloc.metrics.weighted_metric import WeightedMetric

__all__ = [
    "BOX_IOU",
    "DetectionRanking",
    "check_iou",
    "detection_ap",
    "detection_ranking",
    "detection_rankings",
]

BOX_IOU = (0.5, 0.3, 0.1)
"""IoU thresholds at which boxes are evaluated: VOC's 0.5, and two lower ones, which also accept boxes around parts
of objects."""

_CHUNK = 2**21
"""Maximum number of weights (resamples times detections) held in memory at once: a few arrays of 16 MiB."""


@dataclass(frozen=True, eq=False)
class _Matches:
    """The annotated box that each detection overlaps most.

    Attributes:
        target: (M,) index of the annotated box; −1 if the detection overlaps no box of its class.
        overlap: (M,) float64 intersection over union with that box; 0 if there is none.
    """

    target: IntpArray
    overlap: Float64Array

    @classmethod
    def find(cls, detections: Detections, ground_truth: GroundTruth, n_classes: int) -> _Matches:
        groups = ground_truth.image * n_classes + ground_truth.label
        order = np.argsort(groups, kind="stable")
        group = detections.image * n_classes + detections.label
        first = np.searchsorted(groups[order], group, side="left")
        counts = np.searchsorted(groups[order], group, side="right") - first
        # One row per pair of a detection and a candidate box, grouped by detection.
        starts = np.cumsum(counts) - counts
        detection = np.repeat(np.arange(len(detections)), counts)
        candidate = order[np.arange(len(detection)) - np.repeat(starts - first, counts)]
        overlap = _paired_iou(detections.boxes[detection], ground_truth.boxes[candidate])
        target, best = np.full(len(detections), -1, dtype=np.intp), np.zeros(len(detections))
        # Largest overlap first; among equal overlaps, the box annotated first, as in the devkit's loop.
        ranked = np.lexsort((np.arange(len(detection)), -overlap, detection))
        winners = ranked[starts[counts > 0]]
        winners = winners[overlap[winners] > 0]
        target[detection[winners]], best[detection[winners]] = candidate[winners], overlap[winners]
        return cls(target, best)


def _paired_iou(first: Float64Array, second: Float64Array) -> Float64Array:
    """Compute the intersection over union of two (P, 4) arrays of boxes, pair by pair."""
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    intersection = np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0.0)
    areas = [np.prod(box[:, 2:] - box[:, :2], axis=1) for box in (first, second)]
    union = areas[0] + areas[1] - intersection
    overlap: Float64Array = np.divide(
        intersection, union, out=np.zeros_like(intersection), where=intersection > 0
    )
    return overlap


@dataclass(frozen=True, eq=False)
class DetectionRanking(WeightedMetric):
    """Boxes of a detector in N images, ranked for each of K classes; the metric is average precision.

    Attributes:
        detections: the M boxes.
        hits: (M,) bool, whether the box is a true positive.
        counted: (M,) bool, whether the box is part of the ranking; True for every hit.
        positives: (N, K) int64, number of objects to detect.
        iou: minimum IoU of a hit.
        flavour: see `APFlavour`.
    """

    detections: Detections
    hits: BoolArray
    counted: BoolArray
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
        """For each class, the image of each row, and a ranking with one row per box and one per missed object."""
        found = np.zeros_like(self.positives)
        np.add.at(found, (self.detections.image[self.hits], self.detections.label[self.hits]), 1)
        missed = self.positives - found
        return tuple(self._ranking(label, missed[:, label]) for label in range(self.n_classes))

    def _ranking(self, label: int, missed: npt.NDArray[np.int64]) -> tuple[IntpArray, Ranking]:
        members = np.flatnonzero(self.counted & (self.detections.label == label))
        hits = np.append(self.hits[members], np.zeros(missed.sum(), dtype=np.bool_))
        positives = hits.copy()
        positives[len(members) :] = True
        # Missed objects have rows too, so that positives can be weighted. They rank below all boxes, where
        # they do not affect any flavour of AP. To this end, scores are replaced with ranks counted from 0, and
        # missed objects get rank −1, so they are last even if a score is −inf.
        ranks = np.unique(self.detections.score[members], return_inverse=True)[1].astype(np.float64)
        scores = np.append(ranks, np.full(missed.sum(), -1.0))
        image = np.append(self.detections.image[members], np.repeat(np.arange(self.n_images), missed))
        counted = np.ones_like(hits)
        return image, Ranking(
            scores[:, None], hits[:, None], positives[:, None], counted[:, None], self.flavour
        )

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Compute the average precision of every class for B weightings of the images.

        Args:
            weights: (B, N), non-negative; an integer weight w counts an image w times.

        Returns:
            (B, K) float64; NaN where a weighting contains no object of a class.
        """
        weight = self._weight_rows(weights)
        result = np.empty((len(weight), self.n_classes))
        for k, (image, ranking) in enumerate(self._rankings):
            step = max(1, _CHUNK // max(1, len(image)))
            for start in range(0, len(weight), step):
                chunk = slice(start, start + step)
                result[chunk, k] = ranking.values(weight[chunk, image])[:, 0]
        return result

    def curve(self, label: int) -> PrecisionRecallCurve:
        """Compute the precision-recall curve of the class with index ``label``."""
        rows = self.counted & (self.detections.label == label)
        return precision_recall_curve(
            self.detections.score[rows], self.hits[rows], float(self.positives[:, label].sum())
        )


def check_iou(iou: float) -> None:
    """Check that an IoU threshold is in (0, 1].

    Raises:
        ConfigurationError: the threshold is out of range.
    """
    if not 0 < iou <= 1:
        raise ConfigurationError(
            f"box IoU is {iou:g}: it must be above 0 and at most 1, such as 0.5", parameter="box_iou"
        )


def detection_rankings(
    detections: Detections,
    ground_truth: GroundTruth,
    n_classes: int,
    ious: Sequence[float] = BOX_IOU,
    flavour: APFlavour = "area",
) -> tuple[DetectionRanking, ...]:
    """Match detections to annotated boxes and rank them, separately for each IoU threshold.

    Args:
        detections: the boxes of the detector.
        ground_truth: the annotated boxes of the N images.
        n_classes: number of classes, K.
        ious: IoU thresholds in (0, 1]; an overlap equal to the threshold counts as a hit.
        flavour: see `APFlavour`.

    Raises:
        ConfigurationError: an IoU threshold is outside (0, 1], or the flavour is unknown.
        ValueError: an image or class index is out of range.
    """
    check_choice("flavour", flavour, APFlavour)
    for iou in ious:
        check_iou(iou)
    detections.check(ground_truth.n_images, n_classes)
    ground_truth.check(n_classes)
    matches = _Matches.find(detections, ground_truth, n_classes)
    flagged = ground_truth.difficult | ground_truth.crowd
    positives = np.zeros((ground_truth.n_images, n_classes), dtype=np.int64)
    np.add.at(positives, (ground_truth.image[~flagged], ground_truth.label[~flagged]), 1)
    best_first = np.argsort(-detections.score, kind="stable")
    rankings = []
    for iou in ious:
        reached = (matches.target >= 0) & (matches.overlap >= iou)
        left_out = np.zeros(len(detections), dtype=np.bool_)
        left_out[reached] = flagged[matches.target[reached]]
        candidates = best_first[reached[best_first] & ~left_out[best_first]]
        hits = np.zeros(len(detections), dtype=np.bool_)
        hits[candidates[np.unique(matches.target[candidates], return_index=True)[1]]] = True
        rankings.append(DetectionRanking(detections, hits, ~left_out, positives, iou, flavour))
    return tuple(rankings)


def detection_ranking(
    detections: Detections,
    ground_truth: GroundTruth,
    n_classes: int,
    iou: float = 0.5,
    flavour: APFlavour = "area",
) -> DetectionRanking:
    """Rank detections at one IoU threshold; for arguments and errors, see `detection_rankings`."""
    return detection_rankings(detections, ground_truth, n_classes, (iou,), flavour)[0]


def detection_ap(
    detections: Detections,
    ground_truth: GroundTruth,
    n_classes: int,
    ious: Sequence[float] = BOX_IOU,
    flavour: APFlavour = "area",
) -> Float64Array:
    """Compute the average precision of boxes at several IoU thresholds.

    For arguments and errors, see `detection_rankings`.

    Returns:
        (T, K) float64, one row per IoU threshold; NaN for classes without objects.
    """
    rankings = detection_rankings(detections, ground_truth, n_classes, ious, flavour)
    return np.stack([ranking.per_class for ranking in rankings]) if rankings else np.empty((0, n_classes))

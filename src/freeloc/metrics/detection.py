"""Box average precision, by the rules of the VOC devkit.

A detection belongs to the box of its class and photograph that it overlaps most. Where that overlap reaches the
threshold, the surest detection of the box is right and every other one is wrong; a detection of a difficult box,
or of a crowd, takes no part. All others are wrong. The devkit counts pixels, ``x2 − x1 + 1``; freeloc's boxes
reach from edge to edge, which is the same number, because the doors of `freeloc.datasets` convert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from freeloc.errors import FreelocError, check_choice
from freeloc.geometry import Float64Array
from freeloc.metrics.average_precision import APFlavour, Thresholds, mean_over_classes, summarize
from freeloc.metrics.location import Objects

__all__ = ["DetectionRanking", "Detections", "box_overlap", "detection_ranking"]

BoolArray = npt.NDArray[np.bool_]
IntpArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes that somebody found in N photographs.

    Attributes:
        photo: (M,) index of each one's photograph.
        label: (M,) class index.
        score: (M,) float64, higher is surer.
        boxes: (M, 4) float64 ``x1, y1, x2, y2``, edges in photograph pixels.
    """

    photo: IntpArray
    label: IntpArray
    score: Float64Array
    boxes: Float64Array

    def __post_init__(self) -> None:
        count = len(self.score)
        if self.photo.shape != (count,) or self.label.shape != (count,) or self.boxes.shape != (count, 4):
            raise ValueError("detections need (M,) photo, label and score, and (M, 4) boxes")
        if np.isnan(self.score).any():
            raise FreelocError("the detections hold a score that is NaN: check the detector that gave them")

    @classmethod
    def build(
        cls,
        photo: npt.ArrayLike = (),
        label: npt.ArrayLike = (),
        score: npt.ArrayLike = (),
        boxes: npt.ArrayLike = (),
    ) -> Detections:
        """Detections from lists. Without arguments: none."""
        return cls(
            np.asarray(photo, dtype=np.intp).reshape(-1),
            np.asarray(label, dtype=np.intp).reshape(-1),
            np.asarray(score, dtype=np.float64).reshape(-1),
            np.asarray(boxes, dtype=np.float64).reshape(-1, 4),
        )

    def surest(self, photographs: int, classes: int) -> tuple[Float64Array, Float64Array]:
        """The surest box of every photograph and class, as the paper reads a detector (section 6).

        Of equally sure boxes the first counts.

        Args:
            photographs: N.
            classes: K.

        Returns:
            (N, K) float64 scores, below all others where nothing was found, and (N, K, 2) float64 centres of the
            boxes, NaN there.
        """
        lowest = float(self.score.min(initial=0.0)) - 1.0
        scores = np.full((photographs, classes), lowest)
        centres = np.full((photographs, classes, 2), np.nan)
        # The last one written stays: the surest, and of equals the first.
        order = np.lexsort((-np.arange(len(self.score)), self.score))
        for index in order:
            place = self.photo[index], self.label[index]
            scores[place] = self.score[index]
            centres[place] = (self.boxes[index, :2] + self.boxes[index, 2:]) / 2
        return scores, centres


@dataclass(frozen=True, eq=False)
class DetectionRanking:
    """Everything box average precision needs to know about N photographs and K classes.

    It can be weighted by photograph, so that `freeloc.metrics.bootstrap` gives its intervals.

    Attributes:
        photo: (M,) photograph of each detection that takes part.
        label: (M,) its class.
        score: (M,) how sure it is.
        hits: (M,) whether it is right.
        positives: (N, K) float64, boxes to be found.
        flavour: see `APFlavour`.
    """

    photo: IntpArray
    label: IntpArray
    score: Float64Array
    hits: BoolArray
    positives: Float64Array
    flavour: APFlavour = "area"

    @property
    def n_photographs(self) -> int:
        """Number of photographs, N."""
        return int(self.positives.shape[0])

    @cached_property
    def _sorted(self) -> tuple[tuple[IntpArray, Thresholds], ...]:
        members = [np.flatnonzero(self.label == k) for k in range(self.positives.shape[1])]
        return tuple((rows, Thresholds.of(self.score[rows])) for rows in members)

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """(B, N) weights of the photographs to (B, K) average precisions; NaN where there is no box to find."""
        weight = np.asarray(weights, dtype=np.float64)
        if weight.ndim != 2 or weight.shape[1] != self.n_photographs:
            raise ValueError(f"weights have shape {weight.shape}, not (B, {self.n_photographs})")
        result = np.empty((len(weight), self.positives.shape[1]))
        n_positives = weight @ self.positives
        for k, (rows, thresholds) in enumerate(self._sorted):
            right, seen = thresholds.counts(self.hits[rows], weight[:, self.photo[rows]])
            result[:, k] = summarize(right, seen, n_positives[:, k], self.flavour)
        return result

    @cached_property
    def per_class(self) -> Float64Array:
        """(K,) average precision of every class; NaN where there is no box to find."""
        values: Float64Array = self.values(np.ones((1, self.n_photographs)))[0]
        return values

    @property
    def mean(self) -> float:
        """Mean over the classes that have boxes to find."""
        return mean_over_classes(self.per_class)


def box_overlap(one: npt.ArrayLike, many: npt.ArrayLike) -> Float64Array:
    """Intersection over union of one box with (M, 4) others, (M,) float64; 0 where both are without area."""
    first, others = np.asarray(one, dtype=np.float64), np.asarray(many, dtype=np.float64).reshape(-1, 4)
    sides = np.minimum(first[2:], others[:, 2:]) - np.maximum(first[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (first[2:] - first[:2]).prod()
    union = areas - shared
    overlap: Float64Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def detection_ranking(
    detections: Detections,
    objects: Sequence[Objects],
    n_classes: int,
    iou: float = 0.5,
    flavour: APFlavour = "area",
) -> DetectionRanking:
    """Hold detections against annotated boxes.

    Args:
        detections: found in N photographs.
        objects: the annotated objects of the N photographs.
        n_classes: K.
        iou: overlap from which a box is found.
        flavour: see `APFlavour`.

    Raises:
        ValueError: a photograph or class index is out of range.
    """
    check_choice("the AP flavour", flavour, APFlavour)
    for name, index, count in (
        ("photo", detections.photo, len(objects)),
        ("label", detections.label, n_classes),
    ):
        if len(index) and not (index.min() >= 0 and index.max() < count):
            raise ValueError(f"a detection has a {name} index outside 0..{count - 1}")
    positives = np.zeros((len(objects), n_classes))
    for number, item in enumerate(objects):
        np.add.at(positives[number], item.labels[~(item.difficult | item.crowd)], 1)
    order = np.argsort(-detections.score, kind="stable")
    hits = np.zeros(len(order), np.bool_)
    counted = np.ones(len(order), np.bool_)
    found = [np.zeros(len(item.labels), np.bool_) for item in objects]
    for index in order:
        number = int(detections.photo[index])
        item = objects[number]
        own = np.flatnonzero(item.labels == detections.label[index])
        if not len(own):
            continue
        overlap = box_overlap(detections.boxes[index], item.boxes[own])
        best = int(own[overlap.argmax()])
        if overlap.max() < iou:
            continue
        if item.difficult[best] or item.crowd[best]:
            counted[index] = False
        elif not found[number][best]:
            found[number][best] = hits[index] = True
    return DetectionRanking(
        detections.photo[counted],
        detections.label[counted],
        detections.score[counted],
        hits[counted],
        positives,
        flavour,
    )

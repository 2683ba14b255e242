"""Scored boxes of a detector, as arrays for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array, IntpArray
from freeloc.errors import ConfigurationError
from freeloc.geometry.box import check_edges

__all__ = ["Detections", "best_boxes"]


@dataclass(frozen=True, eq=False)
class Detections:
    """Scored boxes of a detector in N images, in any order.

    Attributes:
        image: (M,) index of each box's image.
        label: (M,) class index.
        score: (M,) float64; higher means more confident; infinities are allowed.
        boxes: (M, 4) float64 ``x1, y1, x2, y2``, edges in image coordinates, x1 ≤ x2 and y1 ≤ y2.

    Raises:
        ConfigurationError: a score is NaN.
        ValueError: shapes differ, or a box has x1 > x2, y1 > y2 or a NaN edge.
    """

    image: IntpArray
    label: IntpArray
    score: Float64Array
    boxes: Float64Array

    def __post_init__(self) -> None:
        columns = (self.image, self.label, self.score)
        if self.boxes.shape != (len(self.image), 4) or {a.shape for a in columns} != {(len(self.image),)}:
            raise ValueError("detections must have (M,) image, label and score, and (M, 4) boxes")
        check_edges(self.boxes)
        if np.isnan(self.score).any():
            raise ConfigurationError(
                "the score of a detection is NaN, which cannot be ranked: check the detector that computed it",
                parameter="score",
            )

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
        """Build detections from array-likes; without arguments, there are no boxes."""
        return cls(
            np.asarray(image, dtype=np.intp).reshape(-1),
            np.asarray(label, dtype=np.intp).reshape(-1),
            np.asarray(score, dtype=np.float64).reshape(-1),
            np.asarray(boxes, dtype=np.float64).reshape(-1, 4),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """Join the detections of N images, one part per image; images are numbered in the order of the parts."""
        every = (cls.build(), *parts)
        return cls(
            np.repeat(np.arange(len(parts)), [len(part) for part in parts]).astype(np.intp),
            np.concatenate([part.label for part in every]),
            np.concatenate([part.score for part in every]),
            np.concatenate([part.boxes for part in every]),
        )

    def select_classes(self, labels: Sequence[int]) -> Detections:
        """Return the boxes of some classes, given by their indices; the i-th of them becomes class i."""
        position = {label: index for index, label in enumerate(labels)}
        kept = np.isin(self.label, list(labels))
        renumbered = np.array([position[label] for label in self.label[kept].tolist()], np.intp)
        return Detections(self.image[kept], renumbered, self.score[kept], self.boxes[kept])

    def check(self, n_images: int, n_classes: int) -> None:
        """Check that every image index is below ``n_images`` and every class index below ``n_classes``.

        Raises:
            ValueError: an index is out of range.
        """
        for name, index, count in (("an image", self.image, n_images), ("a class", self.label, n_classes)):
            if ((index < 0) | (index >= count)).any():
                raise ValueError(f"a detection has {name} index outside 0..{count - 1}")


def best_boxes(detections: Detections, n_images: int, n_classes: int) -> tuple[Float64Array, Float64Array]:
    """Convert the highest-scoring box of every image and class to a score and a point (paper, section 6, R-CNN).

    Args:
        detections: all boxes; among boxes with equal scores, the first is used.
        n_images: number of images, N.
        n_classes: number of classes, K.

    Returns:
        (N, K) float64 scores, −inf where there is no box, and (N, K, 2) float64 box centers, NaN where
        there is no box.

    Raises:
        ValueError: an index is out of range.
    """
    detections.check(n_images, n_classes)
    scores = np.full((n_images, n_classes), -np.inf)
    points = np.full((n_images, n_classes, 2), np.nan)
    # The last write to an entry wins, so boxes are written in order of increasing score, and boxes with equal
    # scores in reverse order.
    order = np.argsort(-detections.score, kind="stable")[::-1]
    image, label = detections.image[order], detections.label[order]
    scores[image, label] = detections.score[order]
    points[image, label] = (detections.boxes[order, :2] + detections.boxes[order, 2:]) / 2
    return scores, points

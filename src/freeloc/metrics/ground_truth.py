"""Annotated boxes, as arrays for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._typing import BoolArray, Float64Array, IntpArray
from freeloc.geometry.box import check_edges

__all__ = ["GroundTruth"]


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotated boxes of N images.

    Attributes:
        image: (M,) index of each box's image.
        label: (M,) class index.
        boxes: (M, 4) float64 ``x1, y1, x2, y2``, edges in image coordinates, x1 ≤ x2 and y1 ≤ y2.
        difficult: (M,) bool, VOC's flag for objects that are hard to recognize.
        crowd: (M,) bool, COCO's flag for boxes around groups of objects.
        n_images: number of images, N, including those without boxes.

    Raises:
        ValueError: shapes differ, an image index is out of range, or a box has x1 > x2, y1 > y2 or a NaN edge.
    """

    image: IntpArray
    label: IntpArray
    boxes: Float64Array
    difficult: BoolArray
    crowd: BoolArray
    n_images: int

    def __post_init__(self) -> None:
        columns = (self.image, self.label, self.difficult, self.crowd)
        if self.boxes.shape != (len(self.image), 4) or {a.shape for a in columns} != {(len(self.image),)}:
            raise ValueError("ground truth must have (M, 4) boxes and (M,) image, label, difficult and crowd")
        check_edges(self.boxes)
        if ((self.image < 0) | (self.image >= self.n_images)).any():
            raise ValueError(f"a box has an image index outside 0..{self.n_images - 1}")

    @classmethod
    def build(
        cls,
        boxes: npt.ArrayLike = (),
        label: npt.ArrayLike = (),
        difficult: npt.ArrayLike | None = None,
        crowd: npt.ArrayLike | None = None,
    ) -> GroundTruth:
        """Build the ground truth of one image from array-likes.

        Args:
            boxes: (M, 4) ``x1, y1, x2, y2``.
            label: (M,) class indices.
            difficult: (M,) flags; None means all False.
            crowd: (M,) flags; None means all False.
        """
        labels = np.asarray(label, dtype=np.intp).reshape(-1)
        unflagged = np.zeros(len(labels), dtype=np.bool_)
        return cls(
            np.zeros(len(labels), dtype=np.intp),
            labels,
            np.asarray(boxes, dtype=np.float64).reshape(-1, 4),
            unflagged if difficult is None else np.asarray(difficult, dtype=np.bool_).reshape(-1),
            unflagged if crowd is None else np.asarray(crowd, dtype=np.bool_).reshape(-1),
            1,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[GroundTruth]) -> GroundTruth:
        """Join the ground truth of several images; the images are numbered in the order of the parts."""
        first = np.cumsum([0, *(part.n_images for part in parts)])
        empty = cls.build()
        every = (empty, *parts)
        return cls(
            np.concatenate([empty.image, *(part.image + first[i] for i, part in enumerate(parts))]),
            np.concatenate([part.label for part in every]),
            np.concatenate([part.boxes for part in every]),
            np.concatenate([part.difficult for part in every]),
            np.concatenate([part.crowd for part in every]),
            int(first[-1]),
        )

    def boxes_of(self, image: int, label: int) -> Float64Array:
        """Return the boxes of one class in one image as an (m, 4) array."""
        boxes: Float64Array = self.boxes[(self.image == image) & (self.label == label)]
        return boxes

    def check(self, n_classes: int) -> None:
        """Check that every class index is below ``n_classes``.

        Raises:
            ValueError: a class index is out of range.
        """
        if ((self.label < 0) | (self.label >= n_classes)).any():
            raise ValueError(f"a box has a class index outside 0..{n_classes - 1}")

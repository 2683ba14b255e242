"""What tells the objects of a class apart, besides its map: the maps of the larger scales, and detail features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeloc._typing import Float32Array, IntpArray
from freeloc.inference.detail_features import DetailFeatures

__all__ = ["InstanceCues", "largest_scales"]


@dataclass(frozen=True, eq=False)
class InstanceCues:
    """Further evidence about the likely classes of an image, from which peaks and boxes are found.

    Attributes:
        labels: (L,) indices of the likely classes, in increasing order.
        fine_maps: (L, rows, cols) float32 means over the `largest_scales` of the logistic function of the scaled
            scores, on the lattice of the maps. Objects side by side are farther apart in them than in the mean
            over all scales.
        detail: detail features of unit length; None if the network has none.
    """

    labels: IntpArray
    fine_maps: Float32Array
    detail: DetailFeatures | None = None

    def fine_map(self, label: int) -> Float32Array | None:
        """Return the (rows, cols) fine map of a class; None if the class is not likely."""
        found = np.flatnonzero(self.labels == label)
        return self.fine_maps[found[0]] if len(found) else None


def largest_scales(scales: Sequence[float]) -> tuple[int, ...]:
    """Return the indices of the largest third of an image's scales, rounded up."""
    order = sorted(range(len(scales)), key=lambda index: scales[index])
    return tuple(order[-math.ceil(len(scales) / 3) :])

"""Score maps of one image at one scale, and how they are aligned across scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.geometry.grid import Grid
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size

__all__ = [
    "FUSION_GAIN",
    "LATTICE_STEP",
    "SCORING_GRAPH_VERSION",
    "ScoreMap",
    "align_sigmoid",
    "fusion_lattice",
    "sigmoid",
]


LATTICE_STEP = 8.0
"""Distance of the raster on which maps are aligned, in pixels of the 500-normalised image."""


FUSION_GAIN = np.float32(0.5)
"""Raw scores are multiplied by this before the logistic when maps are fused. Halved, a sure window does not
saturate at 1, and what all scales say of the place decides instead of how many are sure of the class."""


SCORING_GRAPH_VERSION = 2
"""Counts what `freeloc.inference.scoring_graph.scoring_tail` makes: a graph kept by another version is not run."""


def sigmoid(values: npt.ArrayLike) -> Float32Array:
    """1 / (1 + exp(−v)) of equation 2 of the paper, float32, without overflow."""
    clipped = np.clip(np.asarray(values, dtype=np.float32), -60, 60)
    return (1 / (1 + np.exp(-clipped))).astype(np.float32)


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Raw scores of one image at one scale.

    Attributes:
        values: (K, valid_rows, valid_cols) float32 raw scores; cells on padding are already cut away.
        grid: where the cells lie in the image.
        peaks: (K,) float32 their maxima.
        aligned: (K, rows, cols) float32 softened map on `fusion_lattice`, as `align_sigmoid` makes it, where the
            runtime has made it already; None leaves it to `localize`.
    """

    values: Float32Array
    grid: Grid
    peaks: Float32Array
    aligned: Float32Array | None = None

    @classmethod
    def of(cls, values: Float32Array, grid: Grid) -> ScoreMap:
        """A map of which nothing but the raw scores is known."""
        return cls(values, grid, values.max(axis=(1, 2)))


def fusion_lattice(image_size: Size) -> Lattice:
    """The raster on which the maps of all scales of an image are aligned."""
    return Lattice.with_spacing(image_size, LATTICE_STEP)


def align_sigmoid(values: Float32Array, grid: Grid, lattice: Lattice) -> Float32Array:
    """(K, rows, cols) the logistic of `FUSION_GAIN` times a raw map, brought onto a lattice bilinearly."""
    rows, cols = grid.sampling_weights(lattice)
    aligned: Float32Array = np.matmul(rows @ sigmoid(FUSION_GAIN * values), cols.T, dtype=np.float32)
    return aligned

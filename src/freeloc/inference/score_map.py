"""Score maps of one image at one scale, and their alignment across scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.geometry.grid import Grid
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.inference.detail_features import DetailFeatures

__all__ = [
    "FUSION_GAIN",
    "LATTICE_STEP",
    "ScoreMap",
    "align_sigmoid",
    "fusion_lattice",
    "sigmoid",
]


LATTICE_STEP = 8.0
"""Spacing of the lattice, in pixels of the image at scale 1."""


FUSION_GAIN = np.float32(0.5)
"""Factor by which raw scores are multiplied before the logistic function when maps are fused. Halving the scores
prevents confident cells from saturating at 1, so the fused maximum depends on where the scales agree rather than
on how many of them have confident scores."""


def sigmoid(values: npt.ArrayLike) -> Float32Array:
    """Return 1 / (1 + exp(−v)) in float32, without overflow (paper, equation 2)."""
    clipped = np.clip(np.asarray(values, dtype=np.float32), -60, 60)
    return (1 / (1 + np.exp(-clipped))).astype(np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class ScoreMap:
    """Raw scores of one image at one scale.

    Attributes:
        values: (K, valid_rows, valid_cols) float32 raw scores of the valid cells.
        grid: coordinate mapping between the image and the cells.
        maxima: (K,) float32 maxima of ``values``; for a head trained on full images, the scores of the full image.
        aligned: (K, rows, cols) float32 sigmoid map on `fusion_lattice` (see `align_sigmoid`) if computed by the
            network; None otherwise.
        detail: detail features of the image; None if the network does not compute them.
    """

    values: Float32Array
    grid: Grid
    maxima: Float32Array
    aligned: Float32Array | None = None
    detail: DetailFeatures | None = None

    def __repr__(self) -> str:
        classes, rows, columns = self.values.shape
        return f"ScoreMap({classes} classes, {rows} × {columns} cells)"

    @classmethod
    def of(cls, values: Float32Array, grid: Grid) -> ScoreMap:
        """Create a score map from raw scores, without an aligned map."""
        return cls(values, grid, values.max(axis=(1, 2)))

    def select(self, labels: Sequence[int]) -> ScoreMap:
        """Return the maps of some classes, given by their indices."""
        rows = list(labels)
        aligned = None if self.aligned is None else self.aligned[rows]
        return ScoreMap(self.values[rows], self.grid, self.maxima[rows], aligned, self.detail)

    @classmethod
    def of_cells(cls, scores: Float32Array, grid: Grid) -> ScoreMap:
        """Create a score map from the (valid_rows * valid_cols, K) raw scores of its cells, row by row."""
        values = np.ascontiguousarray(scores.T)
        return cls.of(values.reshape(-1, grid.valid_rows, grid.valid_cols), grid)


def fusion_lattice(image_size: Size) -> Lattice:
    """Return the lattice on which the score maps of all scales of an image are aligned."""
    return Lattice.with_spacing(image_size, LATTICE_STEP)


def align_sigmoid(values: Float32Array, grid: Grid, lattice: Lattice) -> Float32Array:
    """Sample the logistic function of `FUSION_GAIN` times the raw scores bilinearly on a lattice.

    Args:
        values: (K, valid_rows, valid_cols) float32 raw scores.
        grid: coordinate mapping of the scores.
        lattice: the lattice on which to sample.

    Returns:
        (K, rows, cols) float32.
    """
    rows, cols = grid.sampling_weights(lattice)
    aligned: Float32Array = np.matmul(rows @ sigmoid(FUSION_GAIN * values), cols.T, dtype=np.float32)
    return aligned

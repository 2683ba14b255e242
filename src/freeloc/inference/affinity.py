"""Spread maps from where the network looked to the whole extent of an object, by affinities between positions.

A network that was trained with tags has its highest scores at the most telling part of an object, such as the
head of an animal. Positions on the same object have similar detail features, so the affinity of two positions is a
power of the cosine between their features. Each value of a spread map is the mean of the map, weighted by the
affinities to its position. This is one step of a random walk, as in AffinityNet (Ahn and Kwak, CVPR 2018), but the
affinities are not learned.
"""

from __future__ import annotations

import numpy as np

from freeloc._typing import Float32Array
from freeloc.geometry.lattice import Lattice
from freeloc.inference.detail_features import DetailFeatures

__all__ = ["AffinitySpread"]

_SQUARINGS = 3
"""The affinity is the cosine to the power of 2³ = 8; docs/method.md compares powers."""


class AffinitySpread:
    """Spreads maps of one image.

    Args:
        detail: detail features of the image, of unit length.
        lattice: positions of the maps' values in the image.
    """

    def __init__(self, detail: DetailFeatures, lattice: Lattice) -> None:
        grid = detail.grid
        self._shape = detail.values.shape[1:]
        self._to_cells = grid.cell_weights(lattice)
        self._to_lattice = grid.sampling_weights(lattice)
        features = detail.values.reshape(len(detail.values), -1).astype(np.float32)
        affinity = features.T @ features
        np.maximum(affinity, 0, out=affinity)
        for _ in range(_SQUARINGS):
            np.square(affinity, out=affinity)
        np.fill_diagonal(affinity, 1)  # a position without features keeps its value
        self._affinity = affinity
        self._totals = affinity.sum(axis=1)

    def __call__(self, maps: Float32Array) -> Float32Array:
        """Return spread maps.

        Args:
            maps: (M, rows, cols) float32 on the lattice.

        Returns:
            (M, rows, cols) float32 on the lattice; no value is above the maximum of its map.
        """
        down_y, down_x = self._to_cells
        cells = np.matmul(down_y @ maps, down_x.T).reshape(len(maps), -1)
        spread = (cells @ self._affinity) / self._totals
        up_y, up_x = self._to_lattice
        on_lattice: Float32Array = np.matmul(
            up_y @ spread.reshape(-1, *self._shape), up_x.T, dtype=np.float32
        )
        return on_lattice

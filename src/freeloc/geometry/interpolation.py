"""Weights for linear interpolation along one axis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array

__all__ = ["linear_weights"]


def linear_weights(positions: npt.NDArray[np.floating], count: int) -> Float32Array:
    """Return the weights that interpolate linearly between samples at 0, 1, …, ``count`` − 1.

    Args:
        positions: (N,) positions at which to interpolate, clipped to the range of the samples.
        count: number of samples.

    Returns:
        (N, count) float32 weights; each row sums to one.
    """
    positions = np.clip(positions, 0, count - 1)
    left = np.minimum(np.floor(positions).astype(np.int64), max(count - 2, 0))
    right = np.minimum(left + 1, count - 1)
    fraction = positions - left
    rows = np.arange(len(positions))
    weights = np.zeros((len(positions), count))
    weights[rows, left] = 1 - fraction
    weights[rows, right] += fraction
    return weights.astype(np.float32)

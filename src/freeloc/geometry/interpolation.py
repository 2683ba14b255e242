"""Weights of linear interpolation along one axis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array


def linear_weights(positions: npt.NDArray[np.floating], count: int) -> Float32Array:
    """(len(positions), count) weights of linear interpolation between ``count`` samples, held at the ends."""
    positions = np.clip(positions, 0, count - 1)
    left = np.minimum(np.floor(positions).astype(np.int64), max(count - 2, 0))
    fraction = positions - left
    weights = np.zeros((len(positions), count))
    index = np.arange(len(positions))
    weights[index, left] = 1 - fraction
    weights[index, np.minimum(left + 1, count - 1)] += fraction
    return weights.astype(np.float32)

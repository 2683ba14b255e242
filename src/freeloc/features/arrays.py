"""Types of feature arrays."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Cells", "FeatureMap", "flatten_cells"]

FeatureMap: TypeAlias = npt.NDArray[np.float16] | npt.NDArray[np.float32]
"""(rows, columns, channels) features of one image at one scale: float16, or float32 if read from an int8 cache.
An int8 cache does not yield float16, because NumPy's conversion would take ten times as long as reading."""

Cells: TypeAlias = FeatureMap
"""(M, channels) features of the cells of one image at one scale, row by row."""


def flatten_cells(features: FeatureMap) -> Cells:
    """Reshape (rows, columns, channels) features to (rows · columns, channels)."""
    return features.reshape(-1, features.shape[-1])

"""Types of feature arrays."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Cells", "FeatureMap", "flatten_cells"]

FeatureMap: TypeAlias = npt.NDArray[np.float16] | npt.NDArray[np.float32]
"""(rows, columns, channels) features of one image at one scale: float16, or float32 when read from an int8 cache.
NumPy would take ten times as long to convert int8 values to float16 as to read them."""

Cells: TypeAlias = FeatureMap
"""(M, channels) features of the cells of one image at one scale, row by row."""


def flatten_cells(features: FeatureMap) -> Cells:
    """Reshape (rows, columns, channels) features to (rows · columns, channels)."""
    return features.reshape(-1, features.shape[-1])

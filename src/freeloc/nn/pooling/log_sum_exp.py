"""Log-sum-exp pooling, a soft maximum.

Pinheiro and Collobert, "From image-level to pixel-level labeling with convolutional networks", CVPR 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freeloc._typing import Float32Array
from freeloc.nn.pooling.base import Pooling

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SHARPNESS", "LogSumExpPooling"]

SHARPNESS = 5.0
"""Factor r in log(mean(exp(r s))) / r. The result approaches the mean as r approaches 0, and the maximum
as r grows. Pinheiro and Collobert use this value."""


class LogSumExpPooling(Pooling):
    """The logarithm of the mean of exponentials over all cells."""

    def pool_maps(self, values: Float32Array) -> Float32Array:
        """Return the (K,) log-sum-exp of (K, rows, cols) score maps."""
        cells = values.reshape(len(values), -1).astype(np.float64)
        highest = cells.max(axis=1)
        powers = np.exp(SHARPNESS * (cells - highest[:, None]))
        scores: Float32Array = (highest + np.log(powers.mean(axis=1)) / SHARPNESS).astype(np.float32)
        return scores

    def pool_cells(self, scores: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the (N, K) log-sum-exp over the cells of each image."""
        import torch

        pooled = [
            (torch.logsumexp(SHARPNESS * part, dim=0) - math.log(len(part))) / SHARPNESS
            for part in torch.split(scores, list(counts))
        ]
        return torch.stack(pooled)

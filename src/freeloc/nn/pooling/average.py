"""Average pooling, as in class activation mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from freeloc._typing import Float32Array
from freeloc.nn.pooling.base import Pooling

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AveragePooling"]


class AveragePooling(Pooling):
    """The mean over all cells."""

    is_mean: ClassVar[bool] = True

    def pool_maps(self, values: Float32Array) -> Float32Array:
        """Return the (K,) means of (K, rows, cols) score maps."""
        scores: Float32Array = (
            values.reshape(len(values), -1).astype(np.float64).mean(axis=1).astype(np.float32)
        )
        return scores

    def pool_cells(self, scores: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the (N, K) means over the cells of each image."""
        import torch

        return torch.stack([part.mean(dim=0) for part in torch.split(scores, list(counts))])

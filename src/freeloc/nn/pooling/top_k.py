"""Top-k pooling: the mean of the highest scores plus the weighted mean of the lowest scores.

Durand, Mordan, Thome and Cord, "WILDCAT: Weakly supervised learning of deep ConvNets for image classification,
pointwise localization and segmentation", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from freeloc._typing import Float32Array
from freeloc.nn.pooling.base import SparsePooling

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CELL_FRACTION", "LOWEST_WEIGHT", "TopKPooling", "selected_count"]

CELL_FRACTION = 0.2
"""Fraction of an image's cells over which the highest scores are averaged, and likewise the lowest scores. WILDCAT
allows any number of cells from one to all."""

LOWEST_WEIGHT = 0.7
"""Weight of the mean of the lowest scores; WILDCAT allows values between 0 and 1."""


def selected_count(cells: int) -> int:
    """Return how many of the highest (and of the lowest) scores of an image are averaged; at least one."""
    return max(1, round(CELL_FRACTION * cells))


class TopKPooling(SparsePooling):
    """The mean of the highest scores plus `LOWEST_WEIGHT` times the mean of the lowest scores."""

    bias_gain: ClassVar[float] = 1 + LOWEST_WEIGHT

    def pool_maps(self, values: Float32Array) -> Float32Array:
        """Return the (K,) pooled scores of (K, rows, cols) score maps."""
        ordered = np.sort(values.reshape(len(values), -1).astype(np.float64), axis=1)
        count = selected_count(ordered.shape[1])
        pooled = ordered[:, -count:].mean(axis=1) + LOWEST_WEIGHT * ordered[:, :count].mean(axis=1)
        scores: Float32Array = pooled.astype(np.float32)
        return scores

    def pool_cells(self, scores: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the (N, K) pooled scores of the cells of each image."""
        import torch

        pooled = []
        for part in torch.split(scores, list(counts)):
            count = selected_count(len(part))
            highest = part.topk(count, dim=0).values.mean(dim=0)
            lowest = part.topk(count, dim=0, largest=False).values.mean(dim=0)
            pooled.append(highest + LOWEST_WEIGHT * lowest)
        return torch.stack(pooled)

    def select_cells(self, scores: Tensor, counts: Sequence[int]) -> list[Tensor]:
        """Return the (2n, K) indices of each image's n highest-scoring and then its n lowest-scoring cells."""
        import torch

        selected, start = [], 0
        for part in torch.split(scores, list(counts)):
            count = selected_count(len(part))
            ends = [part.topk(count, dim=0, largest=largest).indices for largest in (True, False)]
            selected.append(torch.cat(ends) + start)
            start += len(part)
        return selected

    def pool_selected(self, scores: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the (N, K) pooled scores of the cells selected by `select_cells`."""
        import torch

        pooled = []
        for part in torch.split(scores, list(counts)):
            highest, lowest = part.chunk(2)
            pooled.append(highest.mean(dim=0) + LOWEST_WEIGHT * lowest.mean(dim=0))
        return torch.stack(pooled)

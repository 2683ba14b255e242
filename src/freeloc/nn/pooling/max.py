"""Max-pooling: the paper's search for the highest-scoring cell (section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from freeloc._typing import Float32Array
from freeloc.nn.pooling.base import SparsePooling

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MaxPooling"]


class MaxPooling(SparsePooling):
    """The maximum over all cells."""

    float32_reference: ClassVar[bool] = True

    def pool_maps(self, values: Float32Array) -> Float32Array:
        """Return the (K,) maxima of (K, rows, cols) score maps."""
        scores: Float32Array = values.reshape(len(values), -1).max(axis=1)
        return scores

    def pool_cells(self, scores: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the (N, K) maxima over the cells of each image."""
        import torch

        return torch.stack([part.amax(dim=0) for part in torch.split(scores, list(counts))])

    def select_cells(self, scores: Tensor, counts: Sequence[int]) -> list[Tensor]:
        """Return, for each image, the (1, K) indices of the highest-scoring cell per class."""
        import torch

        selected, start = [], 0
        for part in torch.split(scores, list(counts)):
            selected.append(part.argmax(dim=0, keepdim=True) + start)
            start += len(part)
        return selected

    def pool_selected(self, scores: Tensor, counts: Sequence[int]) -> Tensor:  # noqa: ARG002 - one row per image
        """Return the scores unchanged, because only one cell per image and class is selected."""
        return scores

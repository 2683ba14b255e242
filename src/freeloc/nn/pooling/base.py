"""Interface of poolings, implemented in NumPy for prediction and in torch for training.

Importing a pooling does not import torch: prediction from a cached graph runs without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from freeloc._typing import Float32Array

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Pooling", "SparsePooling"]


class Pooling(ABC):
    """A function from the scores of all cells of an image to one score per class.

    A subclass only needs to implement the two abstract methods; training then computes gradients for all cells.

    Attributes:
        bias_gain: change in the pooled score when the score of every cell increases by 1.
        is_mean: whether the pooled score is a mean over cells. A linear head may then be applied after pooling,
            and a head that was trained on mean features needs no adjustment.
        pools_features: whether training pools the features of whole images before the head, instead of the scores.
        prediction: name of the pooling applied to score maps at prediction; None means this one.
    """

    bias_gain: ClassVar[float] = 1.0
    is_mean: ClassVar[bool] = False
    pools_features: ClassVar[bool] = False
    prediction: ClassVar[str | None] = None

    @abstractmethod
    def pool_maps(self, values: Float32Array) -> Float32Array:
        """Pool the score maps of one image.

        Args:
            values: (K, rows, cols) float32 raw scores.

        Returns:
            (K,) float32 scores.
        """

    @abstractmethod
    def pool_cells(self, scores: Tensor, counts: Sequence[int]) -> Tensor:
        """Pool the scores of the cells of several images, differentiably.

        Args:
            scores: (M, K) raw scores of the cells of N images, one image after another.
            counts: number of cells of each image, N numbers that sum to M.

        Returns:
            (N, K) scores.
        """


class SparsePooling(Pooling):
    """A pooling whose score depends on only a few cells of each image.

    Training selects these cells without computing gradients, and then runs the forward and backward passes on them
    alone.

    Attributes:
        float32_reference: whether the dense gradient, which serves as the reference for the sparse one, is
            computed in float32 even where training computes in bfloat16.
    """

    float32_reference: ClassVar[bool] = False

    @abstractmethod
    def select_cells(self, scores: Tensor, counts: Sequence[int]) -> list[Tensor]:
        """Return the cells that determine the pooled score, per image and class.

        Args:
            scores: (M, K) raw scores of the cells of N images, one image after the other.
            counts: number of cells of each image, N numbers that sum to M.

        Returns:
            For each image, (n, K) int64 row indices into ``scores``.
        """

    @abstractmethod
    def pool_selected(self, scores: Tensor, counts: Sequence[int]) -> Tensor:
        """Pool the scores of selected cells, differentiably.

        Args:
            scores: (R, K) raw scores of the cells that `select_cells` returned, in its order.
            counts: number of rows of each image, N numbers that sum to R.

        Returns:
            (N, K) scores, equal to those of `pool_cells` on all cells.
        """

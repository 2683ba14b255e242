"""Training step of the head: select cells, then compute the loss and its sparse gradient.

The head processes each cell separately, so the gradient of a max-pooled score involves only one cell per image
and class. Therefore, all cells are first scored without gradients, and the forward and backward passes then run
only on the selected cells. In float32 and without dropout, the result is exactly the gradient of the dense
computation. This applies to every `freeloc.nn.pooling.base.SparsePooling`. On processors with native bfloat16,
products are computed in bfloat16; weights, sums and weight gradients stay float32. Cells are selected without
dropout, so that the selection depends only on the weights and not on random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from freeloc.features.arrays import Cells
from freeloc.nn.head import AdaptationHead
from freeloc.nn.losses import logistic_loss
from freeloc.nn.pooling.base import SparsePooling
from freeloc.nn.pooling.full_image import full_image_scores
from freeloc.nn.pooling.registry import get_pooling
from freeloc.training.device import autocast, to_device
from freeloc.training.recipe import Recipe

__all__ = ["HeadTrainStep"]

_CELLS_PER_PART = 640
"""Number of cells scored at once on the CPU. With so few, intermediate tensors are small enough for the allocator
to reuse their memory instead of requesting new pages from the operating system in every step."""


class HeadTrainStep:
    """Computes a recipe's loss for mini-batches of cells; implements `freeloc.training.trainer.TrainStep`.

    Args:
        projection: the backbone's projection; its gradients are computed if its weights require them.
        head: the head to train.
        recipe: sets the pooling, the fraction of cells to use, and how gradients are computed.
        use_bfloat16: whether to compute products in bfloat16.
        device: device to compute on; the projection and the head are moved to it.

    Attributes:
        projection: the projection.
        head: the head.
        device: the device.
    """

    def __init__(
        self,
        projection: nn.Module,
        head: AdaptationHead,
        recipe: Recipe,
        *,
        use_bfloat16: bool,
        device: torch.device,
    ) -> None:
        self.projection = projection.to(device)
        self.head = head.to(device)
        self.device = device
        self._recipe = recipe
        self._pooling = get_pooling(recipe.pooling)
        self._use_bfloat16 = use_bfloat16

    @property
    def bias_gain(self) -> float:
        """Change in a pooled score if FCb's bias increases by 1."""
        return self._pooling.bias_gain

    def backward(self, items: Sequence[Cells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Add the gradient of `loss` to the weights' gradients, and return the detached loss."""
        loss = self.loss(items, labels, generator)
        loss.backward()
        return loss.detach()

    def loss(self, cells: Sequence[Cells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Compute the differentiable loss of one mini-batch (paper, equation 1).

        Args:
            cells: the features of N images, one array of shape (cells, channels) per image.
            labels: (N, K) labels: −1, 0 or +1.
            generator: source of random numbers for dropout and for drawing cells.
        """
        drawn = [self.draw_cells(len(part), generator) for part in cells]
        counts = [len(part) if rows is None else len(rows) for part, rows in zip(cells, drawn, strict=True)]
        if self.device.type == "cpu":
            features = to_device(_select_rows(cells, drawn), self.device)
        else:  # The drawn indices are on the GPU; reading them here would wait for all queued work.
            features = to_device(np.concatenate(cells), self.device)
            features = features[_row_indices(cells, drawn, self.device)]
        return self.loss_of_cells(features, counts, labels, generator)

    def loss_of_cells(
        self, features: Tensor, counts: Sequence[int], labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Compute the differentiable loss from all given cells, without drawing a subset.

        Args:
            features: (M, channels) features of N images, one image after another; their gradients are computed if
                they require gradients.
            counts: number of cells of each of the N images; the sum is M.
            labels: (N, K) labels: −1, 0 or +1.
            generator: source of random numbers for dropout.
        """
        labels = labels.to(self.device)
        return logistic_loss(self._image_scores(features, counts, generator), labels)

    def draw_cells(self, count: int, generator: torch.Generator) -> Tensor | None:
        """Draw the cells to use from ``count`` cells, and return their sorted indices; None means all cells."""
        used = math.ceil(self._recipe.cell_fraction * count)
        if used == count or self._pooling.pools_features:
            return None
        return torch.randperm(count, generator=generator, device=generator.device)[:used].sort().values

    def pooled_scores(self, cells: Sequence[Cells]) -> Tensor:
        """Return the (N, K) pooled scores of a mini-batch, without gradients or dropout."""
        features = to_device(np.concatenate(cells), self.device)
        counts = [len(part) for part in cells]
        if self._pooling.pools_features:
            with torch.no_grad():
                return self._full_image_scores(features, counts, None)
        return self._pooling.pool_cells(self.score_cells(features), counts)

    def score_cells(self, features: Tensor) -> Tensor:
        """Return the (M, K) float32 scores of all cells, without gradients or dropout."""
        dtype = torch.bfloat16 if self._use_bfloat16 else torch.float32
        in_parts = self.device.type == "cpu" and not self._use_bfloat16
        parts = max(1, -(-len(features) // _CELLS_PER_PART)) if in_parts else 1
        with torch.no_grad(), autocast(self.device, enabled=self._use_bfloat16):
            scores = [self.head(self.projection(part.to(dtype))).float() for part in features.chunk(parts)]
        return torch.cat(scores)

    def scores_at(self, features: Tensor, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return the differentiable scores of selected cells, with dropout.

        Args:
            features: (M, channels) features.
            indices: (R, K) indices of R selected cells for each class.
            generator: source of random numbers for dropout.

        Returns:
            (R, K) scores.
        """
        selected, position = torch.unique(indices, return_inverse=True)
        with autocast(self.device, enabled=self._use_bfloat16):
            scores = self.head(self.projection(features[selected].float()), generator)
        gathered: Tensor = scores.float().gather(0, position)
        return gathered

    def _image_scores(self, features: Tensor, counts: Sequence[int], generator: torch.Generator) -> Tensor:
        """Return the differentiable (N, K) pooled scores of N images, with dropout."""
        pooling = self._pooling
        if pooling.pools_features:
            return self._full_image_scores(features, counts, generator)
        if isinstance(pooling, SparsePooling) and self._recipe.gradient == "sparse":
            selected = pooling.select_cells(self.score_cells(features.detach()), counts)
            scores = self.scores_at(features, torch.cat(selected), generator)
            return pooling.pool_selected(scores, [len(cells) for cells in selected])
        if pooling.is_mean and self.head.fca is None:
            # A linear head commutes with the mean, so it needs to process only the mean feature of each image.
            means = pooling.pool_cells(self.projection(features.float()), counts)
            pooled: Tensor = self.head(means, generator)
            return pooled
        float32 = isinstance(pooling, SparsePooling) and pooling.float32_reference
        with autocast(self.device, enabled=self._use_bfloat16 and not float32):
            scores = self.head(self.projection(features.float()), generator)
        return pooling.pool_cells(scores.float(), counts)

    def _full_image_scores(
        self, features: Tensor, counts: Sequence[int], generator: torch.Generator | None
    ) -> Tensor:
        with autocast(self.device, enabled=self._use_bfloat16):
            scores = full_image_scores(self.head, self.projection, features.float(), counts, generator)
        return scores.float()


def _select_rows(cells: Sequence[Cells], drawn: Sequence[Tensor | None]) -> Cells:
    """Return the (M, channels) drawn cells of all images, one image after another; None means all cells."""
    pairs = zip(cells, drawn, strict=True)
    selected: Cells = np.concatenate([part if rows is None else part[rows.numpy()] for part, rows in pairs])
    return selected


def _row_indices(cells: Sequence[Cells], drawn: Sequence[Tensor | None], device: torch.device) -> Tensor:
    """Return the (M,) indices of the drawn cells in the concatenation of all cells."""
    start, indices = 0, []
    for part, rows in zip(cells, drawn, strict=True):
        indices.append((torch.arange(len(part), device=device) if rows is None else rows) + start)
        start += len(part)
    return torch.cat(indices)

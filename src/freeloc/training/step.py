"""One training step: the search for the winning cells, the loss, and the sparse gradient.

The backbone is frozen and the head works cell by cell, so the gradient of a max-pooled score touches one cell per
image and class. The search therefore runs without gradients; forward and backward then run on the winners
alone. In float32 and without dropout this gives exactly the gradient of the dense computation with the same
winners. Every `freeloc.nn.pooling.base.SparsePooling` is computed in this way. Where the processor
multiplies bfloat16, both compute their products in it; weights, sums and gradients of weights stay float32. With
dropout, the winners are those of the undropped network: the search asks which window the network believes in, not
which one a die favours.
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

__all__ = ["TrainStep"]

_CELLS_AT_ONCE = 640
"""Cells of one part of the search on a processor. What lies between the layers then fits where the last part's
lay, instead of taking fresh pages from the system in every step."""


class TrainStep:
    """Computes a recipe's loss for mini-batches of cells.

    Args:
        projection: the backbone's cell-by-cell projection; a gradient reaches it where its weights ask for one.
        head: the head to be trained.
        recipe: pooling and gradient.
        low_precision: compute products in bfloat16.
        device: where to compute.
    """

    def __init__(
        self,
        projection: nn.Module,
        head: AdaptationHead,
        recipe: Recipe,
        *,
        low_precision: bool,
        device: torch.device,
    ) -> None:
        self._projection = projection.to(device)
        self._head = head.to(device)
        self._recipe = recipe
        self._pooling = get_pooling(recipe.pooling)
        self._low_precision = low_precision
        self._device = device

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._device

    @property
    def bias_gain(self) -> float:
        """Change of a pooled score when FCb's bias rises by 1."""
        return self._pooling.bias_gain

    def loss(self, cells: Sequence[Cells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of one mini-batch (paper, equation 1), ready for ``backward``.

        Args:
            cells: for each of N images, (cells, channels) features.
            labels: (N, K) in {−1, 0, +1}.
            generator: source of dropout and of the cells looked at.
        """
        drawn = [self.drawn(len(part), generator) for part in cells]
        counts = [len(part) if rows is None else len(rows) for part, rows in zip(cells, drawn, strict=True)]
        if self._device.type == "cpu":
            features = to_device(_chosen(cells, drawn), self._device)
        else:  # the draws lie on the GPU: to look at them here would wait for all it has to do
            features = to_device(np.concatenate(cells), self._device)
            features = features[_chosen_rows(cells, drawn, self._device)]
        return self.loss_of(features, counts, labels, generator)

    def backward(self, cells: Sequence[Cells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Add the gradient of `loss` to the weights' gradients; gives the loss, detached."""
        loss = self.loss(cells, labels, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def loss_of(
        self, features: Tensor, counts: Sequence[int], labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The loss of cells that are chosen already.

        Args:
            features: (M, channels) of N images, one after the other; a gradient reaches them where they
                ask for one.
            counts: cells of each image, N numbers that sum to M.
            labels: (N, K) in {−1, 0, +1}.
            generator: source of dropout.
        """
        labels = labels.to(self._device)
        return logistic_loss(self._image_scores(features, counts, generator), labels)

    def drawn(self, count: int, generator: torch.Generator) -> Tensor | None:
        """Which of an image's ``count`` cells this step looks at, in order; None: at all of them."""
        kept = math.ceil(self._recipe.cell_fraction * count)
        if kept == count or self._pooling.pools_features:
            return None
        return torch.randperm(count, generator=generator, device=generator.device)[:kept].sort().values

    def pooled(self, cells: Sequence[Cells]) -> Tensor:
        """(N, K) scores of a mini-batch, pooled as the recipe says, without gradients or dropout."""
        features = to_device(np.concatenate(cells), self._device)
        counts = [len(part) for part in cells]
        if self._pooling.pools_features:
            with torch.no_grad():
                return self._full_image(features, counts, None)
        return self._pooling.pool_cells(self.search(features), counts)

    def search(self, features: Tensor) -> Tensor:
        """(M, K) float32 scores of all cells, without gradients or dropout, at reduced precision."""
        kind = torch.bfloat16 if self._low_precision else torch.float32
        in_parts = self._device.type == "cpu" and not self._low_precision
        parts = max(1, -(-len(features) // _CELLS_AT_ONCE)) if in_parts else 1
        with torch.no_grad(), autocast(self._device, enabled=self._low_precision):
            scores = [self._head(self._projection(part.to(kind))).float() for part in features.chunk(parts)]
        return torch.cat(scores)

    def scores_at(self, features: Tensor, winners: Tensor, generator: torch.Generator) -> Tensor:
        """(R, K) scores of the cells that won, with their gradient and dropout; ``winners`` is of that shape."""
        chosen, position = torch.unique(winners, return_inverse=True)
        with autocast(self._device, enabled=self._low_precision):
            scores = self._head(self._projection(features[chosen].float()), generator)
        picked: Tensor = scores.float().gather(0, position)
        return picked

    def _image_scores(self, features: Tensor, counts: Sequence[int], generator: torch.Generator) -> Tensor:
        """Return the (N, K) pooled scores of N images, with gradients and dropout."""
        pooling = self._pooling
        if pooling.pools_features:
            return self._full_image(features, counts, generator)
        if isinstance(pooling, SparsePooling) and self._recipe.gradient == "sparse":
            selected = pooling.select_cells(self.search(features.detach()), counts)
            scores = self.scores_at(features, torch.cat(selected), generator)
            return pooling.pool_selected(scores, [len(cells) for cells in selected])
        if pooling.is_mean and self._head.fca is None:
            # A linear head commutes with the mean: one row per image instead of one per cell.
            pooled: Tensor = self._head(
                pooling.pool_cells(self._projection(features.float()), counts), generator
            )
            return pooled
        float32 = isinstance(pooling, SparsePooling) and pooling.float32_reference
        with autocast(self._device, enabled=self._low_precision and not float32):
            scores = self._head(self._projection(features.float()), generator)
        return pooling.pool_cells(scores.float(), counts)

    def _full_image(
        self, features: Tensor, counts: Sequence[int], generator: torch.Generator | None
    ) -> Tensor:
        with autocast(self._device, enabled=self._low_precision):
            scores = full_image_scores(self._head, self._projection, features.float(), counts, generator)
        return scores.float()


def _chosen(cells: Sequence[Cells], drawn: Sequence[Tensor | None]) -> Cells:
    """(M, channels) drawn cells of all images, one after the other; None draws all of one."""
    pairs = zip(cells, drawn, strict=True)
    picked: Cells = np.concatenate([part if rows is None else part[rows.numpy()] for part, rows in pairs])
    return picked


def _chosen_rows(cells: Sequence[Cells], drawn: Sequence[Tensor | None], device: torch.device) -> Tensor:
    """(M,) the places of the same cells in the list of all cells."""
    start, places = 0, []
    for part, rows in zip(cells, drawn, strict=True):
        places.append((torch.arange(len(part), device=device) if rows is None else rows) + start)
        start += len(part)
    return torch.cat(places)

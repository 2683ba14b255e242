"""One training step: the search for the winning cells, the loss, and the sparse gradient.

The trunk is frozen and the head works cell by cell, so the gradient of a max-pooled score touches one cell per
photograph and class. The search therefore runs without gradients, at reduced precision where the processor has
it; forward and backward then run on the winners alone. In float32 and without dropout this gives exactly the
gradient of the dense computation with the same winners. With dropout, the winners are those of the undropped
network: the search asks which window the network believes in, not which one a die favours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from freeloc.features import Cells
from freeloc.heads import AdaptationHead, average_pool, logistic_loss, max_cells
from freeloc.training.device import autocast, to_device
from freeloc.training.recipe import Recipe

__all__ = ["Learner"]


class Learner:
    """Computes a recipe's loss for mini-batches of cells.

    Args:
        projection: the trunk's cell-by-cell projection; a gradient reaches it where its weights ask for one.
        head: the head to be trained.
        recipe: pooling and gradient.
        low_precision: run the search in bfloat16.
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
        self._projection_learns = any(weight.requires_grad for weight in projection.parameters())
        self._head = head.to(device)
        self._recipe = recipe
        self._low_precision = low_precision
        self._device = device

    def loss(self, cells: Sequence[Cells], labels: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of one mini-batch (paper, equation 1), ready for ``backward``.

        Args:
            cells: for each of N photographs, (cells, channels) features.
            labels: (N, K) in {−1, 0, +1}.
            generator: source of dropout and of the cells looked at.
        """
        cells = [self._glimpse(part, generator) for part in cells]
        features = to_device(np.concatenate(cells), self._device)
        return self.loss_of(features, [len(part) for part in cells], labels, generator)

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
            features: (M, channels) of N photographs, one after the other; a gradient reaches them where they
                ask for one.
            counts: cells of each photograph, N numbers that sum to M.
            labels: (N, K) in {−1, 0, +1}.
            generator: source of dropout.
        """
        labels = labels.to(self._device)
        if self._recipe.pooling == "average":
            scores = self._average(features, counts, generator)
        elif self._recipe.gradient == "dense":
            scores = self._dense(features, counts, generator)
        else:
            scores = self._sparse(features, counts, generator)
        return logistic_loss(scores, labels)

    def _glimpse(self, cells: Cells, generator: torch.Generator) -> Cells:
        """The recipe's share of one photograph's cells, drawn anew."""
        drawn = self.drawn(len(cells), generator)
        if drawn is None:
            return cells
        chosen: Cells = cells[drawn.cpu().numpy()]
        return chosen

    def drawn(self, count: int, generator: torch.Generator) -> Tensor | None:
        """Which of a photograph's ``count`` cells this step looks at, in order; None: at all of them."""
        kept = math.ceil(self._recipe.cell_fraction * count)
        if kept == count:
            return None
        return torch.randperm(count, generator=generator, device=generator.device)[:kept].sort().values

    def pooled(self, cells: Sequence[Cells]) -> Tensor:
        """(N, K) max-pooled scores of a mini-batch, without gradients or dropout."""
        features = to_device(np.concatenate(cells), self._device)
        return _maxima(self._search(features)[0], [len(part) for part in cells])

    def winners(self, features: Tensor, counts: Sequence[int]) -> Tensor:
        """(N, K) which cell wins for each photograph and class, found without gradients or dropout."""
        return max_cells(self._search(features)[0], counts)

    def _search(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of all cells, without gradients or dropout, at reduced precision.

        Returns:
            (M, K) float32 scores, and the (M, width) projected features they come from.
        """
        kind = torch.bfloat16 if self._low_precision else torch.float32
        with torch.no_grad(), autocast(self._device, enabled=self._low_precision):
            projected: Tensor = self._projection(features.to(kind))
            scores: Tensor = self._head(projected)
        return scores.float(), projected

    def _sparse(self, features: Tensor, counts: Sequence[int], generator: torch.Generator) -> Tensor:
        scores, projected = self._search(features.detach())
        chosen, position = torch.unique(max_cells(scores, counts), return_inverse=True)
        with autocast(self._device, enabled=self._low_precision):
            if self._low_precision or self._projection_learns:
                rows = self._projection(features[chosen].float())
            else:  # the search has done the same already
                rows = projected[chosen]
            scores = self._head(rows, generator)
        picked: Tensor = scores.float().gather(0, position)
        return picked

    def _dense(self, features: Tensor, counts: Sequence[int], generator: torch.Generator) -> Tensor:
        scores = self._head(self._projection(features.float()), generator)
        return _maxima(scores, counts)

    def _average(self, features: Tensor, counts: Sequence[int], generator: torch.Generator) -> Tensor:
        projected = self._projection(features.float())
        if self._head.fca is None:
            # A linear head commutes with the mean: one row per photograph instead of one per cell.
            pooled: Tensor = self._head(average_pool(projected, counts), generator)
            return pooled
        return average_pool(self._head(projected, generator), counts)


def _maxima(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """(N, K) largest of each photograph's (M, K) scores, given the cells of each photograph."""
    return torch.stack([part.amax(dim=0) for part in torch.split(scores, list(counts))])

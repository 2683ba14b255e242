"""The adaptation layers, pooling, and the loss (paper, section 3).

The head works cell by cell, so it reads maps (prediction) and lists of cells gathered from photographs of many
shapes (training) alike. Where the features came from is not its business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc.pointwise import Pointwise
from freeloc.poolings import LSE_SHARPNESS, TOPK_WEIGHT, picked_cells

__all__ = [
    "AdaptationHead",
    "HeadSettings",
    "average_pool",
    "full_image_scores",
    "logistic_loss",
    "lse_pool",
    "max_cells",
    "topk_cells",
    "topk_pool",
]


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """Shape of a head.

    Attributes:
        width: values per cell that the trunk's projection gives.
        classes: K.
        hidden: width of FCa (paper: 2048); 0 leaves it out, which makes the head one linear layer, as class
            activation mapping needs it.
        feature_dropout: dropout on the features before FCa.
        hidden_dropout: dropout between FCa and FCb.
    """

    width: int
    classes: int
    hidden: int = 2048
    feature_dropout: float = 0.0
    hidden_dropout: float = 0.5


class AdaptationHead(nn.Module):
    """FCa (ReLU, dropout) and FCb as 1×1 convolutions: one raw score per class and cell.

    While it is trained a head may read standardized features: ``(feature − mean) · gain``, with constants
    measured on the training photographs. That conditions SGD far better than raw features, whose means tower
    over what tells cells apart. ``folded`` merges the constants into the first layer, so a finished head is
    the paper's two layers and nothing else.

    Args:
        settings: shape and dropout.
        standardized: keep room for the constants; they start as mean 0 and gain 1.
    """

    def __init__(self, settings: HeadSettings, *, standardized: bool = False) -> None:
        super().__init__()
        self.settings = settings
        self.standardized = standardized
        if standardized:
            self.register_buffer("mean", torch.zeros(settings.width))
            self.register_buffer("gain", torch.ones(settings.width))
        inputs = settings.width
        self.fca: Pointwise | None = None
        if settings.hidden:
            self.fca = Pointwise(inputs, settings.hidden, ceiling=float("inf"))
            inputs = settings.hidden
        self.fcb = Pointwise(inputs, settings.classes)
        # Small last weights: scores start near zero, so the first arg-max is not a loud accident.
        nn.init.normal_(self.fcb.weight, std=0.01)

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Raw scores.

        Args:
            features: (N, width, rows, cols) maps or (M, width) cells, after the trunk's projection.
            generator: source of the dropout masks; None means no dropout, whatever the module's mode, so
                that a head is deterministic unless somebody hands it a die.

        Returns:
            (N, K, rows, cols) or (M, K) raw scores.
        """
        hidden = features
        if self.standardized:
            hidden = self._standardize(hidden)
        if generator is not None:
            hidden = _dropout(hidden, self.settings.feature_dropout, generator)
        if self.fca is not None:
            hidden = self.fca(hidden)
            if generator is not None:
                hidden = _dropout(hidden, self.settings.hidden_dropout, generator)
        scores: Tensor = self.fcb(hidden)
        return scores

    def set_standardization(self, mean: Tensor, gain: Tensor) -> None:
        """Set the (width,) constants with which features are standardized."""
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("gain").copy_(gain)

    def folded(self) -> AdaptationHead:
        """The same function of raw features, with the constants merged into the first layer."""
        with torch.random.fork_rng(devices=[]):  # new weights are drawn only to be overwritten
            merged = AdaptationHead(self.settings)
        own = {key: value for key, value in self.state_dict().items() if key not in {"mean", "gain"}}
        merged.load_state_dict(own)
        if self.standardized:
            first = merged.fcb if merged.fca is None else merged.fca
            with torch.no_grad():
                first.weight.mul_(self.get_buffer("gain").cpu())
                first.bias.sub_(first.weight @ self.get_buffer("mean").cpu())
        return merged

    def _standardize(self, features: Tensor) -> Tensor:
        shape = (1, -1) if features.dim() == 2 else (1, -1, 1, 1)
        mean, gain = self.get_buffer("mean"), self.get_buffer("gain")
        return (features - mean.view(shape).to(features)) * gain.view(shape).to(features)


def _dropout(values: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    if probability == 0:
        return values
    keep = torch.rand(values.shape, generator=generator, device=generator.device) >= probability
    return values * (keep.to(values) / (1 - probability))


def average_pool(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Mean over the cells of each photograph: full-image training, for comparison (class activation maps).

    Args:
        scores: (M, K) raw scores of the cells of several photographs, one after the other.
        counts: cells of each photograph, N numbers that sum to M.

    Returns:
        (N, K) per-photograph scores.
    """
    return torch.stack([part.mean(dim=0) for part in torch.split(scores, list(counts))])


def lse_pool(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Log-sum-exp over the cells of each photograph, see `freeloc.poolings`; arguments as of `average_pool`."""
    pooled = [
        (torch.logsumexp(LSE_SHARPNESS * part, dim=0) - math.log(len(part))) / LSE_SHARPNESS
        for part in torch.split(scores, list(counts))
    ]
    return torch.stack(pooled)


def topk_pool(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Highest and lowest cells of each photograph, see `freeloc.poolings`; arguments as of `average_pool`."""
    pooled = []
    for part in torch.split(scores, list(counts)):
        number = picked_cells(len(part))
        highest = part.topk(number, dim=0).values.mean(dim=0)
        lowest = part.topk(number, dim=0, largest=False).values.mean(dim=0)
        pooled.append(highest + TOPK_WEIGHT * lowest)
    return torch.stack(pooled)


def topk_cells(scores: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """Which cells `topk_pool` reads, per photograph and class.

    Args:
        scores: (M, K) raw scores of the cells of several photographs, one after the other.
        counts: cells of each photograph, N numbers that sum to M.

    Returns:
        For each photograph, (2n, K) int64 positions in the list of M cells: the n highest, then the n lowest.
    """
    picked, start = [], 0
    for part in torch.split(scores, list(counts)):
        number = picked_cells(len(part))
        ends = [part.topk(number, dim=0, largest=largest).indices for largest in (True, False)]
        picked.append(torch.cat(ends) + start)
        start += len(part)
    return picked


def full_image_scores(
    head: AdaptationHead,
    projection: nn.Module,
    features: Tensor,
    counts: Sequence[int],
    generator: torch.Generator | None = None,
) -> Tensor:
    """Scores of full images: the head reads the mean of each photograph's projected features.

    That is what a network trained with global average pooling makes of a whole photograph: rows of the paper's
    tables without a search for the object. Where the object is, the same head tells cell by cell.

    Args:
        head: the adaptation layers.
        projection: the trunk's.
        features: (M, channels) of the valid cells of several photographs at scale 1, one after the other.
        counts: cells of each photograph, N numbers that sum to M.
        generator: source of dropout; None means none.

    Returns:
        (N, K) raw scores.
    """
    scores: Tensor = head(average_pool(projection(features).float(), counts), generator)
    return scores


def max_cells(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Which cell wins, per photograph and class.

    Args:
        scores: (M, K) raw scores of the cells of several photographs, one after the other.
        counts: cells of each photograph, N numbers that sum to M.

    Returns:
        (N, K) int64 positions in the list of M cells.
    """
    winners, start = [], 0
    for part in torch.split(scores, list(counts)):
        winners.append(part.argmax(dim=0) + start)
        start += len(part)
    return torch.stack(winners)


def logistic_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Sum over K classes of log(1 + exp(−y f)), mean over photographs (paper, equation 1).

    Args:
        scores: (N, K) raw scores f.
        labels: (N, K) in {−1, 0, +1}; ignored entries (0) take no part.

    Returns:
        Scalar loss.
    """
    signs = labels.to(scores)
    losses = functional.softplus(-signs * scores) * (signs != 0)
    return losses.sum() / len(scores)

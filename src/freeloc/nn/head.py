"""The head: the paper's adaptation layers (section 3).

The head processes each cell separately, so it accepts both maps (prediction) and lists of cells from images of
different shapes (training).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from freeloc.nn.conv1x1 import Conv1x1
from freeloc.nn.head_settings import HeadSettings

__all__ = ["AdaptationHead"]


class AdaptationHead(nn.Module):
    """FCa (with ReLU and dropout) and FCb as 1×1 convolutions, which compute one raw score per class and cell.

    During training, a head may standardize features to ``(feature − mean) · gain``, with constants measured on the
    training images. SGD converges much better on standardized features than on raw ones, whose means are far
    larger than the differences between cells. `folded` merges the constants into the first layer, so a finished
    head consists only of the paper's two layers.

    Args:
        settings: shape and dropout probabilities.
        standardized: whether features are standardized, initially with mean 0 and gain 1.
    """

    def __init__(self, settings: HeadSettings, *, standardized: bool = False) -> None:
        super().__init__()
        self.settings = settings
        self.standardized = standardized
        if standardized:
            self.register_buffer("mean", torch.zeros(settings.width))
            self.register_buffer("gain", torch.ones(settings.width))
        inputs = settings.width
        self.fca: Conv1x1 | None = None
        if settings.hidden:
            self.fca = Conv1x1(inputs, settings.hidden, ceiling=float("inf"))
            inputs = settings.hidden
        self.fcb = Conv1x1(inputs, settings.classes)
        # Small weights in the last layer, so that initial scores are near zero.
        nn.init.normal_(self.fcb.weight, std=0.01)

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Compute raw scores.

        Args:
            features: (N, width, rows, cols) maps or (M, width) cells, after the backbone's projection.
            generator: source of random numbers for dropout; None disables dropout even in the module's training
                mode, so that a head is deterministic by default.

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
        """Set the (width,) constants that standardize features."""
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("gain").copy_(gain)

    def folded(self) -> AdaptationHead:
        """Return the equivalent head for raw features, with the constants merged into the first layer."""
        with torch.random.fork_rng(devices=[]):  # the initial random weights are overwritten
            merged = AdaptationHead(self.settings)
        weights = {key: value for key, value in self.state_dict().items() if key not in {"mean", "gain"}}
        merged.load_state_dict(weights)
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

"""The adaptation layers, pooling, and the loss (paper, section 3).

The head works cell by cell, so it reads maps (prediction) and lists of cells gathered from images of many
shapes (training) alike. Where the features came from is not its business.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from freeloc.nn.conv1x1 import Pointwise

__all__ = ["AdaptationHead", "HeadSettings"]


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """Shape of a head.

    Attributes:
        width: values per cell that the backbone's projection gives.
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
    measured on the training images. That conditions SGD far better than raw features, whose means tower
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
            features: (N, width, rows, cols) maps or (M, width) cells, after the backbone's projection.
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

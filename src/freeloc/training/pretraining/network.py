"""The network that is pretrained: an AlexNet with dropout and a classifier."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn

from freeloc.nn.backbones.alexnet import AlexNet
from freeloc.nn.backbones.alexnet_layers import (
    TORCHVISION,
    Architecture,
    ConvolutionShape,
    LayerShapes,
    ResponseNormalization,
)
from freeloc.training.pretraining.settings import PretrainingSettings

__all__ = ["CLASSIFIER", "PretrainingNetwork", "architecture_of"]

CLASSIFIER: Final = "fc8"
"""Name of the classifier in weight files; the backbone does without it."""

_KERNELS: Final = (11, 5, 3, 3, 3)
_RESPONSE: Final = ResponseNormalization(size=5, alpha=5e-4, beta=0.75, k=2.0)
"""Values of Krizhevsky et al. (2012), whose alpha of 1e-4 multiplies the sum of the squares, not their mean."""
_NORMALIZED: Final = 2
"""Number of convolutions that response normalization follows."""


def architecture_of(settings: PretrainingSettings) -> Architecture:
    """Return the architecture: torchvision's AlexNet, with response normalization if the settings ask for it."""
    if not settings.response_normalization:
        return TORCHVISION
    layers = (
        *(replace(layer, response_normalization=_RESPONSE) for layer in TORCHVISION.layers[:_NORMALIZED]),
        *TORCHVISION.layers[_NORMALIZED:],
    )
    return replace(TORCHVISION, layers=layers)


class PretrainingNetwork(nn.Module):
    """C1 to FC7, and a linear classifier on the values of FC7.

    Weights are drawn with He's deviation, ``sqrt(2 / inputs)``; those of the classifier with 0.01. Biases are
    zero.

    Args:
        settings: the shapes of the layers.
        classes: number of classes.
    """

    def __init__(self, settings: PretrainingSettings, classes: int) -> None:
        super().__init__()
        shapes = LayerShapes(
            tuple(map(ConvolutionShape, settings.channels, _KERNELS)), settings.width, settings.width
        )
        with torch.random.fork_rng(devices=[]):  # the layers draw weights of their own, which are replaced
            self.backbone = AlexNet(shapes, architecture_of(settings))
            self.classifier = nn.Linear(settings.width, classes)
        generator = torch.Generator().manual_seed(settings.seed)
        with torch.no_grad():
            for layer in self.backbone.layers.values():
                deviation = (2 / layer.weight[0].numel()) ** 0.5
                layer.weight.normal_(0, deviation, generator=generator)
                layer.get_parameter("bias").zero_()
            self.classifier.weight.normal_(0, 0.01, generator=generator)
            self.classifier.bias.zero_()

    def forward(self, canvases: Tensor, dropout: tuple[Tensor, Tensor]) -> Tensor:
        """Return the (N, classes) scores of windows.

        Args:
            canvases: (N, window, window, 3) uint8 RGB.
            dropout: (N, width) factors of the values of FC6 and of FC7.
        """
        values = self.backbone.normalization(canvases)
        factors = iter(dropout)
        dense = set(list(self.backbone.layers.values())[-2:])
        after_dense = False
        for layer in self.backbone.body.children():
            values = layer(values)
            if after_dense:  # this is the rectifier of FC6 or FC7
                values = values * next(factors)[:, :, None, None]
            after_dense = layer in dense
        scores: Tensor = self.classifier(values.flatten(1))
        return scores

    def weight_file(self) -> dict[str, Tensor]:
        """Return all weights by their names in a weight file."""
        weights = self.backbone.named_weights()
        weights |= {
            f"{CLASSIFIER}.{name}": value.detach() for name, value in self.classifier.named_parameters()
        }
        return {name: value.cpu().contiguous() for name, value in weights.items()}

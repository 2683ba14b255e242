"""A small network with the layers of the built-in backbones, and models on it."""

from __future__ import annotations

import torch
from torch import nn

from freeloc.geometry.grid import CellLayout
from freeloc.models.calibration import Calibration
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.backbones.efficientnet_lite import _Block, _ConvNorm, _Stage
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings

CLASSES = ("cat", "Köln 東京", "dog", "owl", "eel")


class SmallBackbone(Backbone):
    """An EfficientNet-Lite of four blocks with random weights: depthwise layers, asymmetric padding, a shortcut."""

    def __init__(self, name: str = "small", stride: int = 16) -> None:
        super().__init__()
        self.name = name
        self.layout = CellLayout(stride, 11.0)
        self.channels, self.width = 12, 24
        self.normalization = Normalization((127.5, 110.0, 100.0), (127.5,) * 3)
        stage = _Stage(1, 3, 2, 4, 12)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            self.body = nn.Sequential(
                _ConvNorm(3, 8, 3, stride=2),
                _Block(8, 12, stage, 2),
                _Block(12, 12, stage, 1),
                *(_Block(12, 12, stage, 2) for _ in range(stride.bit_length() - 3)),
            )
            projection = _ConvNorm(12, 24)
        self.projection: nn.Module = projection.folded()
        self.freeze()


def small_model(backbone: Backbone, scales: tuple[float, ...] = (0.5, 1.0), pooling: str = "max") -> Model:
    """A calibrated model with random weights; each class has scores of both signs in an image of random colors."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        head = AdaptationHead(HeadSettings(backbone.width, len(CLASSES), hidden=16)).eval()
        colors = torch.randint(0, 256, (1, 12, 12, 3)).repeat_interleave(32, 1).repeat_interleave(32, 2)
        scores = head(backbone.projection(backbone(colors.byte()))).transpose(0, 1).flatten(1)
        gain = 4 / scores.std(dim=1)
        head.fcb.weight.mul_(gain[:, None])
        head.fcb.bias.copy_(-scores.mean(dim=1) * gain)
    count = len(CLASSES)
    header = ModelHeader(
        backbone=backbone.name,
        backbone_fingerprint=backbone.fingerprint,
        classes=CLASSES,
        head=head.settings,
        scales=scales,
        pooling=pooling,
        calibration=Calibration((0.5,) * count, (-1.0, 0.0, 0.25, -0.5, 1.0), (0.3, 0.5, 0.4, 0.25, 0.9)),
    )
    return Model(header, head)

"""Settings of pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from msgspec import Meta

from freeloc._literals import PretrainingBackbone, PretrainingSchedule
from freeloc._validation import Count, NonNegative, Positive, Seed, check_fields
from freeloc.errors import ConfigurationError
from freeloc.nn.backbones.alexnet_layers import CONVOLUTIONS

__all__ = ["PretrainingSettings"]

Width: TypeAlias = Annotated[int, Meta(ge=1, le=65_536)]
Share: TypeAlias = Annotated[float, Meta(ge=0, lt=1)]


@dataclass(frozen=True, slots=True)
class PretrainingSettings:
    """Settings of pretraining, apart from the images and the file to write.

    The default network is that of Krizhevsky, Sutskever and Hinton (2012) in one tower, with windows of 224
    pixels.

    Attributes:
        backbone: the network; "alexnet" is the only one.
        width: number of values of FC6 and of FC7.
        channels: number of channels of C1 to C5.
        response_normalization: whether local response normalization follows the rectifiers of C1 and C2.
        epochs: number of passes over the images.
        batch_size: images per step, of all processes together.
        learning_rate: learning rate of the first step.
        schedule: "cosine" lowers the learning rate in every step, down to zero; "step" divides it by ten
            after each third of the steps.
        momentum: momentum of SGD.
        weight_decay: weight decay of all weights but the biases.
        dropout: fraction of the values of FC6 and of FC7 that are set to zero in each step.
        seed: random seed. The same settings, images, number of processes and machine type yield the same
            weights.

    Raises:
        ConfigurationError: a field has the wrong type or is out of range.
    """

    backbone: PretrainingBackbone = "alexnet"
    width: Width = 4096
    channels: tuple[Width, ...] = (96, 256, 384, 384, 256)
    response_normalization: bool = True
    epochs: Count = 90
    batch_size: Count = 128
    learning_rate: Positive = 0.01
    schedule: PretrainingSchedule = "cosine"
    momentum: Share = 0.9
    weight_decay: NonNegative = 5e-4
    dropout: Share = 0.5
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.channels) != CONVOLUTIONS:
            raise ConfigurationError(
                f"channels has {len(self.channels)} numbers: specify one for each of the {CONVOLUTIONS} "
                "convolutions, such as 96,256,384,384,256",
                parameter="channels",
            )

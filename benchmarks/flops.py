"""Floating-point operations of a model on one canvas, counted and not estimated.

A multiplication and an addition count as two. Only convolutions and matrix products are counted; normalisation,
activations and sums are a percent of the work and none of the arithmetic a matrix unit does.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from freeloc.nn.backbones.base import Backbone
from freeloc.nn.head import AdaptationHead

__all__ = ["Flops", "FlopsOf"]


@dataclass(frozen=True, slots=True)
class Flops:
    """Operations of the parts of a model.

    Attributes:
        body: the backbone up to its last layer with neighbours.
        projection: the backbone's own last 1×1 convolution.
        head: the adaptation layers.
    """

    body: int = 0
    projection: int = 0
    head: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.body + self.projection + self.head

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.body + other.body, self.projection + other.projection, self.head + other.head)


class FlopsOf:
    """Counts a model's operations by canvas size; every size is counted once.

    Args:
        backbone: the backbone.
        head: the adaptation layers.
    """

    def __init__(self, backbone: Backbone, head: AdaptationHead) -> None:
        # Tensors on the meta device have shapes and no values, so counting costs next to nothing.
        self._backbone = copy.deepcopy(backbone).to("meta")
        self._head = copy.deepcopy(head).to("meta")
        self._known: dict[tuple[int, int], Flops] = {}

    def __call__(self, height: int, width: int) -> Flops:
        """Operations on a canvas of ``height`` × ``width`` pixels."""
        size = (height, width)
        if size not in self._known:
            canvas = torch.empty(1, height, width, 3, dtype=torch.uint8, device="meta")
            features, body = _counted(self._backbone, canvas)
            values, projection = _counted(self._backbone.projection, features)
            _, head = _counted(self._head, values)
            self._known[size] = Flops(body, projection, head)
        return self._known[size]


def _counted(module: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        outputs: torch.Tensor = module(inputs)
    return outputs, counter.get_total_flops()

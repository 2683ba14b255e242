"""Layers that work cell by cell: 1×1 convolutions that also take plain lists of cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Pointwise"]


class Pointwise(nn.Module):
    """A 1×1 convolution over maps that is, at the same time, a linear layer over lists of cells.

    Training looks at lists of cells gathered from images of many shapes; prediction looks at maps. Both
    read the same ``weight`` (outputs, inputs) and ``bias`` (outputs,).

    Args:
        inputs: values per cell that come in.
        outputs: values per cell that go out.
        ceiling: None for a linear layer; otherwise outputs are clamped to [0, ceiling] (6 gives ReLU6,
            infinity ReLU).
    """

    def __init__(self, inputs: int, outputs: int, ceiling: float | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.ceiling = ceiling
        nn.init.kaiming_normal_(self.weight, nonlinearity="linear" if ceiling is None else "relu")

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, rows, cols) maps or (M, inputs) cells → the same with ``outputs`` values per cell."""
        if features.dim() == 2:
            values = functional.linear(features, self.weight, self.bias)
        else:
            values = functional.conv2d(features, self.weight[:, :, None, None], self.bias)
        if self.ceiling is None:
            return values
        return values.relu() if self.ceiling == float("inf") else values.clamp(0, self.ceiling)

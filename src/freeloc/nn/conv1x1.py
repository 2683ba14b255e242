"""A 1×1 convolution over maps or lists of cells, which processes each cell separately."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Conv1x1"]


class Conv1x1(nn.Module):
    """A 1×1 convolution over maps, which is equivalent to a linear layer over lists of cells.

    Training reads lists of cells from images of different shapes; prediction reads maps. Both use the same
    ``weight`` (outputs, inputs) and ``bias`` (outputs,).

    Args:
        inputs: number of input values per cell.
        outputs: number of output values per cell.
        ceiling: None for a linear layer; otherwise outputs are clamped to [0, ceiling]: 6 for ReLU6, infinity for
            ReLU.
    """

    def __init__(self, inputs: int, outputs: int, ceiling: float | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.ceiling = ceiling
        nn.init.kaiming_normal_(self.weight, nonlinearity="linear" if ceiling is None else "relu")

    def forward(self, features: Tensor) -> Tensor:
        """Apply the layer to (N, inputs, rows, cols) maps or to (M, inputs) cells."""
        if features.dim() == 2:
            values = functional.linear(features, self.weight, self.bias)
        else:
            values = functional.conv2d(features, self.weight[:, :, None, None], self.bias)
        if self.ceiling is None:
            return values
        return values.relu() if self.ceiling == float("inf") else values.clamp(0.0, self.ceiling)

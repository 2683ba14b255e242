"""Round the weights of a network to eight bits so that its outputs change as little as possible.

Rounding each weight to the nearest step is not best, because the inputs of a layer are correlated: the errors of
its weights add up, or cancel. Here, the weights are rounded one input after the other, and the error of each is
compensated by the weights that are still to be rounded (GPTQ: Frantar et al., ICLR 2023). With the default
backbone, this leaves less than a quarter of the squared error that the nearest steps cause in the maps.

Each output channel keeps the step that NNCF chooses, its largest weight divided by 127, so the rounded weights
pass NNCF's own rounding unchanged.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc.nn.backbones.base import Backbone
from freeloc.nn.conv1x1 import Conv1x1
from freeloc.runtime.protocol import Canvas
from freeloc.training.device import use_threads

__all__ = ["round_to_steps", "round_weights"]

_Layer: TypeAlias = nn.Conv2d | nn.Linear | Conv1x1

_LEVELS: Final = 127
_SAMPLES: Final = 512
"""Maximum number of positions of a canvas at which the inputs of a layer are read."""

_MAX_INPUTS: Final = 4096
"""Number of inputs of a layer above which its weights are rounded to the nearest step: the products of all pairs
of inputs would take too much memory."""

_BLOCK: Final = 128
"""Number of inputs after which the errors are passed on to all inputs that follow; only affects the time."""

_DAMPING: Final = 0.01
"""Part of the mean squared input that is added to each, so that rare inputs do not take all compensation."""


def round_weights(
    backbone: Backbone, layers: nn.Module, canvases: Iterable[Canvas], seed: int = 0
) -> tuple[Backbone, nn.Module]:
    """Return copies of a backbone and the layers that follow it, with rounded weights.

    The result does not depend on torch's number of threads. The inputs of layers would, in their last digits,
    which decide how some weights are rounded, so torch measures them in one thread.

    Args:
        backbone: the frozen backbone; its projection is part of ``layers``.
        layers: the layers that read its features.
        canvases: (H, W, 3) uint8 canvases on which the inputs of all layers are measured.
        seed: seed for drawing the positions at which they are measured.
    """
    backbone, layers = copy.deepcopy((backbone, layers))
    generator = torch.Generator().manual_seed(seed)
    moments = {layer: _Moments(layer, generator) for part in (backbone, layers) for layer in _layers_in(part)}
    hooks = [layer.register_forward_pre_hook(moment.add) for layer, moment in moments.items()]
    with torch.no_grad():
        with use_threads(1):
            for canvas in canvases:
                layers(backbone(torch.from_numpy(canvas)[None]))
        for hook in hooks:
            hook.remove()
        for layer, moment in moments.items():
            if moment.total is not None:
                weight = layer.weight.double().reshape(*moment.total.shape[:1], -1, moment.total.shape[1])
                layer.weight.copy_(round_to_steps(weight, moment.total).reshape(layer.weight.shape))
    return backbone, layers


def round_to_steps(weight: Tensor, moments: Tensor) -> Tensor:
    """Round weights to multiples of a step per output, and compensate the error of each by those that follow.

    Args:
        weight: (G, O, I) float64 weights of G independent groups of O outputs and I inputs.
        moments: (G, I, I) float64 sums of the products of all pairs of inputs.

    Returns:
        The rounded weights. The largest weight of each output is unchanged, and its 127th part is the step.
    """
    inputs = weight.shape[2]
    step = (weight.abs().amax(2) / _LEVELS).clamp_min(torch.finfo(torch.float64).tiny)
    # Inputs with the largest values come first, because the others can still compensate their errors.
    power = moments.diagonal(dim1=1, dim2=2)
    order = power.sort(dim=1, descending=True, stable=True).indices
    columns = order[:, None].expand_as(weight)
    ordered = weight.gather(2, columns)
    factors = _compensation(moments, order, power)
    largest = ordered.abs().argmax(2)
    left, rounded = ordered.clone(), torch.empty_like(ordered)
    for start in range(0, inputs, _BLOCK):
        block = slice(start, min(inputs, start + _BLOCK))
        errors = []
        for position in range(block.start, block.stop):
            value = left[:, :, position]
            multiple = (value / step).round().clamp(-_LEVELS, _LEVELS) * step
            # Otherwise, the output would have another largest weight, and so another step.
            multiple = torch.where(largest == position, ordered[:, :, position], multiple)
            rounded[:, :, position] = multiple
            error = (value - multiple) / factors[:, position, position, None]
            left[:, :, position : block.stop] -= (
                error[:, :, None] * factors[:, position, None, position : block.stop]
            )
            errors.append(error)
        left[:, :, block.stop :] -= torch.matmul(torch.stack(errors, 2), factors[:, block, block.stop :])
    return torch.empty_like(weight).scatter_(2, columns, rounded)


def _compensation(moments: Tensor, order: Tensor, power: Tensor) -> Tensor:
    """Return how much the error of each input changes those after it.

    Args:
        moments: (G, I, I) sums of the products of all pairs of inputs.
        order: (G, I) the inputs in the order in which their weights are rounded.
        power: (G, I) the diagonals of ``moments``.

    Returns:
        (G, I, I) upper triangular matrices, the Cholesky factors of the inverse sums.
    """
    damping = (_DAMPING * power.mean(1)).clamp_min(1e-12)
    damped = moments + torch.eye(moments.shape[1], dtype=moments.dtype) * damping[:, None, None]
    rows = order[:, :, None].expand_as(damped)
    damped = damped.gather(1, rows).gather(2, rows.transpose(1, 2))
    factors: Tensor = torch.linalg.cholesky(torch.linalg.inv(damped), upper=True)
    return factors


def _layers_in(module: nn.Module) -> Iterator[_Layer]:
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear | Conv1x1):
            yield part


class _Moments:
    """Sums of the products of all pairs of a layer's inputs.

    Args:
        layer: the layer.
        generator: source of the positions at which inputs are read.

    Attributes:
        total: (G, I, I) float64 sums for the G groups of the layer; None if nothing was read, or if the layer has
            too many inputs.
    """

    def __init__(self, layer: _Layer, generator: torch.Generator) -> None:
        self.total: Tensor | None = None
        self._generator = generator
        self._read = _reader(layer)
        self._is_small = layer.weight[0].numel() <= _MAX_INPUTS

    def add(self, _layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        """Add the inputs of one canvas; a hook that torch calls before the layer."""
        if not self._is_small:
            return
        values = self._read(arguments[0], self._generator)
        products = torch.matmul(values, values.transpose(1, 2)).double()
        self.total = products if self.total is None else self.total + products


def _reader(layer: _Layer) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Return a function that reads (G, I, positions) inputs at some positions of a layer's input."""
    if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
        return lambda features, generator: _patches(layer, features, generator)
    channels_last = isinstance(layer, nn.Linear)

    def read(features: Tensor, generator: torch.Generator) -> Tensor:
        if not channels_last and features.dim() == 4:
            features = features.permute(0, 2, 3, 1)
        cells = features.reshape(-1, features.shape[-1])
        drawn = torch.randperm(len(cells), generator=generator)[:_SAMPLES]
        groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
        return cells[drawn].T.reshape(groups, -1, len(drawn))

    return read


def _patches(layer: nn.Conv2d, features: Tensor, generator: torch.Generator) -> Tensor:
    """Return the (G, I, positions) inputs of a convolution in a part of the map, which is drawn at random."""
    side = int(_SAMPLES**0.5)
    rows, cols = layer.kernel_size
    if not isinstance(layer.padding, str):
        vertical, horizontal = layer.padding
        features = functional.pad(features, (horizontal, horizontal, vertical, vertical))
    height, width = features.shape[2:]
    starts = []
    for size, kernel, stride in ((height, rows, layer.stride[0]), (width, cols, layer.stride[1])):
        last = max(0, size - ((side - 1) * stride + kernel))
        starts.append(int(torch.randint(last + 1, (), generator=generator)))
    top, left = starts
    part = features[
        :1,
        :,
        top : top + (side - 1) * layer.stride[0] + rows,
        left : left + (side - 1) * layer.stride[1] + cols,
    ]
    columns = functional.unfold(part, layer.kernel_size, dilation=layer.dilation, stride=layer.stride)
    return columns[0].reshape(layer.groups, -1, columns.shape[2])

"""Depthwise convolutions whose gradients take no longer than they should.

A processor's kernels for the gradients of convolutions are made for layers that mix channels. Where every channel
stands alone and values are bfloat16, the one for 5×5 weights takes sixty times as long as the convolution itself,
and longer. But there each of the two gradients is a convolution again, with the same channels, and the kernels of
prediction take it:

* of the input: the output's gradient, spread out to the stride, with the mirrored weights;
* of a channel's weights: the padded input, with the output's gradient as its kernel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["use_fast_gradients"]


def use_fast_gradients(module: nn.Module) -> None:
    """Replace, inside a module, the depthwise convolutions whose gradients can be taken this way.

    Weights stay the same objects under the same names, and what comes out stays the same, bit for bit. Only values
    in bfloat16 on a processor take the quick way; all others go PyTorch's.

    Args:
        module: is changed in place.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and _fits(child):
            setattr(module, name, _Depthwise(child))
        else:
            use_fast_gradients(child)


def _fits(conv: nn.Conv2d) -> bool:
    alone = conv.groups == conv.in_channels == conv.out_channels and conv.bias is None
    rows, cols = conv.kernel_size
    square = rows == cols and len({*conv.stride}) == 1 and conv.padding in {(pad, pad) for pad in range(rows)}
    return alone and square and conv.dilation == (1, 1) and conv.padding_mode == "zeros"


class _Depthwise(nn.Module):
    """The convolution that it is made from."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = conv.weight
        self._stride = conv.stride[0]
        self._padding = int(conv.padding[0])

    def forward(self, values: Tensor) -> Tensor:
        weight = self.weight
        if torch.is_autocast_enabled(values.device.type):
            kind = torch.get_autocast_dtype(values.device.type)
            values, weight = values.to(kind), weight.to(kind)
        if values.device.type == "cpu" and values.dtype == torch.bfloat16 and torch.is_grad_enabled():
            result: Tensor = _Convolution.apply(  # type: ignore[no-untyped-call]
                values, weight, self._stride, self._padding
            )
            return result
        return functional.conv2d(values, weight, None, self._stride, self._padding, groups=len(weight))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(values, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        values, weight = ctx.saved_tensors
        asked_values, asked_weight, *_ = ctx.needs_input_grad
        of_values = _of_values(gradient, values, weight, ctx.stride, ctx.padding) if asked_values else None
        of_weight = _of_weight(gradient, values, weight, ctx.stride, ctx.padding) if asked_weight else None
        return of_values, of_weight, None, None


def _of_values(gradient: Tensor, values: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    size = weight.shape[-1]
    if stride > 1:
        count, channels, rows, cols = values.shape
        reached = (count, channels, rows + 2 * padding - size + 1, cols + 2 * padding - size + 1)
        spread = torch.zeros(reached, dtype=gradient.dtype).to(memory_format=torch.channels_last)
        spread[:, :, ::stride, ::stride] = gradient
        gradient = spread
    return functional.conv2d(gradient, weight.flip(2, 3), None, 1, size - 1 - padding, groups=len(weight))


def _of_weight(gradient: Tensor, values: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    # Every channel of every image is a channel of one long convolution.
    padded = functional.pad(values, (padding,) * 4).flatten(0, 1)[None]
    kernels = gradient.flatten(0, 1)[:, None]
    shifted = functional.conv2d(padded, kernels, None, 1, 0, dilation=stride, groups=len(kernels))
    size = weight.shape[-1]
    # Where the stride leaves a rest, the input reaches a little further than the weights.
    parts = shifted[0, :, :size, :size].reshape(len(values), *weight.shape)
    return parts.sum(dim=0, dtype=torch.float32).to(weight.dtype)

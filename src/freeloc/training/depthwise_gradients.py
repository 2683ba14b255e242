"""Fast gradients of depthwise convolutions in bfloat16 on a CPU.

PyTorch's CPU kernels for convolution gradients are designed for layers that mix channels. For depthwise
convolutions in bfloat16, computing the gradient of 5×5 weights takes at least sixty times as long as the
convolution itself. However, both gradients of a depthwise convolution are themselves depthwise convolutions, which
the fast forward kernels can compute:

* The gradient of the input is the gradient of the output, dilated by the stride and convolved with the mirrored
  weights.
* The gradient of the weights is, for each channel, the padded input convolved with the gradient of the output.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["use_fast_gradients"]


def use_fast_gradients(module: nn.Module) -> None:
    """Replace supported depthwise convolutions in a module with equivalents that have fast gradients.

    Weights remain the same objects with the same names, and outputs are identical bit for bit. The fast gradients
    are used only for bfloat16 values on a CPU; in all other cases, PyTorch's gradients are used.

    Args:
        module: the module, changed in place.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and _is_supported(child):
            setattr(module, name, _Depthwise(child))
        else:
            use_fast_gradients(child)


def _is_supported(conv: nn.Conv2d) -> bool:
    depthwise = conv.groups == conv.in_channels == conv.out_channels and conv.bias is None
    rows, cols = conv.kernel_size
    symmetric = rows == cols and len({*conv.stride}) == 1
    padded = conv.padding in {(padding, padding) for padding in range(rows)} and conv.padding_mode == "zeros"
    return depthwise and symmetric and padded and conv.dilation == (1, 1)


class _Depthwise(nn.Module):
    """A depthwise convolution with fast gradients, created from an existing `Conv2d`."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = conv.weight
        self._stride = conv.stride[0]
        self._padding = int(conv.padding[0])

    def forward(self, values: Tensor) -> Tensor:
        weight = self.weight
        if torch.is_autocast_enabled(values.device.type):
            dtype = torch.get_autocast_dtype(values.device.type)
            values, weight = values.to(dtype), weight.to(dtype)
        if values.device.type == "cpu" and values.dtype == torch.bfloat16 and torch.is_grad_enabled():
            result: Tensor = _DepthwiseFunction.apply(  # type: ignore[no-untyped-call]
                values, weight, self._stride, self._padding
            )
            return result
        return functional.conv2d(values, weight, None, self._stride, self._padding, groups=len(weight))


class _DepthwiseFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(values, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        values, weight = ctx.saved_tensors
        needs_values, needs_weight, *_ = ctx.needs_input_grad
        values_gradient = (
            _input_gradient(gradient, values, weight, ctx.stride, ctx.padding) if needs_values else None
        )
        weight_gradient = (
            _weight_gradient(gradient, values, weight, ctx.stride, ctx.padding) if needs_weight else None
        )
        return values_gradient, weight_gradient, None, None


def _input_gradient(gradient: Tensor, values: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    size = weight.shape[-1]
    if stride > 1:
        count, channels, rows, cols = values.shape
        shape = (count, channels, rows + 2 * padding - size + 1, cols + 2 * padding - size + 1)
        spread = torch.zeros(shape, dtype=gradient.dtype).to(memory_format=torch.channels_last)
        spread[:, :, ::stride, ::stride] = gradient
        gradient = spread
    return functional.conv2d(gradient, weight.flip(2, 3), None, 1, size - 1 - padding, groups=len(weight))


def _weight_gradient(gradient: Tensor, values: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    # All channels of all images become the channels of a single convolution.
    padded = functional.pad(values, (padding,) * 4).flatten(0, 1)[None]
    kernels = gradient.flatten(0, 1)[:, None]
    correlation = functional.conv2d(padded, kernels, None, 1, 0, dilation=stride, groups=len(kernels))
    size = weight.shape[-1]
    # If the stride does not divide the input evenly, the result is larger than the weights, so it is cropped.
    parts = correlation[0, :, :size, :size].reshape(len(values), *weight.shape)
    return parts.sum(dim=0, dtype=torch.float32).to(weight.dtype)

"""Depthwise convolutions: outputs do not change, and the fast gradients are correct."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from freeloc.training.depthwise_gradients import _Depthwise, use_fast_gradients


def values_of(*shape: int, seed: int) -> Tensor:
    """Random values that are exact in bfloat16, in the memory format of maps."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16()
    return drawn.contiguous(memory_format=torch.channels_last)


@st.composite
def layers(draw: st.DrawFn) -> tuple[nn.Conv2d, Tensor]:
    channels, size = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, size - 1))
    rows, cols = (draw(st.integers(max(1, size - 2 * padding), 11)) for _ in range(2))
    conv = nn.Conv2d(channels, channels, size, stride, padding, groups=channels, bias=False)
    seed = draw(st.integers(0, 99))
    with torch.no_grad():
        conv.weight.copy_(values_of(channels, 1, size, size, seed=seed))
    return conv, values_of(draw(st.integers(1, 3)), channels, rows, cols, seed=seed + 1)


@settings(max_examples=150)
@given(layers())
def test_gradients_are_those_of_the_convolution(layer: tuple[nn.Conv2d, Tensor]) -> None:
    conv, values = layer
    quick = nn.Sequential(copy.deepcopy(conv))
    use_fast_gradients(quick)
    assert isinstance(quick[0], _Depthwise)
    values.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = quick(values)
        torch.testing.assert_close(out, conv(values), rtol=0, atol=0)
    gradient = values_of(*out.shape, seed=7)
    found = torch.autograd.grad(out, (values, quick[0].weight), gradient)

    def exact_gradients(values: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
        exact = copy.deepcopy(conv).double()
        exact.weight.data = weight.detach().double()
        inputs = values.detach().double().requires_grad_()
        return torch.autograd.grad(exact(inputs), (inputs, exact.weight), gradient.double())

    wanted = exact_gradients(values, conv.weight, gradient)
    # Terms of a sum may cancel, so errors are measured by the sum of their absolute values.
    magnitudes = exact_gradients(values.abs(), conv.weight.abs(), gradient.abs())
    for own, textbook, magnitude in zip(found, wanted, magnitudes, strict=True):
        # Sums are float32, and each of two roundings to bfloat16 has an error of up to one part in 256.
        assert bool(((own.double() - textbook).abs() <= magnitude / 128 + 1e-9).all())


def test_weights_stay_the_same_objects_under_the_same_names() -> None:
    block = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, bias=False), nn.ReLU6())
    module = nn.Sequential(block, nn.Conv2d(4, 2, 1, bias=False))
    before = dict(module.named_parameters())
    for _ in range(2):
        use_fast_gradients(module)
        after = dict(module.named_parameters())
        assert after.keys() == before.keys()
        assert all(after[key] is before[key] for key in before)
    assert isinstance(block[0], _Depthwise)
    assert module[0] is block


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 8, 3, groups=4, bias=False),
        nn.Conv2d(4, 4, 3, groups=2, bias=False),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, (3, 5), groups=4, bias=False),
        nn.Conv2d(4, 4, 3, (1, 2), groups=4, bias=False),
        nn.Conv2d(4, 4, 3, padding=(0, 1), groups=4, bias=False),
        nn.Conv2d(4, 4, 3, padding=3, groups=4, bias=False),
        nn.Conv2d(4, 4, 3, padding="same", groups=4, bias=False),
        nn.Conv2d(4, 4, 3, dilation=2, groups=4, bias=False),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False, padding_mode="reflect"),
    ],
)
def test_other_convolutions_are_left_alone(conv: nn.Conv2d) -> None:
    module = nn.Sequential(conv)
    use_fast_gradients(module)
    assert module[0] is conv


def test_float32_goes_the_usual_way() -> None:
    conv = nn.Conv2d(3, 3, 5, 2, 2, groups=3, bias=False)
    quick = nn.Sequential(copy.deepcopy(conv))
    use_fast_gradients(quick)
    values = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    for module in (conv, quick):
        module(values).square().sum().backward()
    assert quick[0].weight.grad is not None
    assert conv.weight.grad is not None
    torch.testing.assert_close(quick[0].weight.grad, conv.weight.grad, rtol=0, atol=0)

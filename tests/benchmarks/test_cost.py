"""Counted operations, compared with a count from the layers' shapes."""

import pytest
import torch
from torch import Tensor, nn

from benchmarks.cost import FlopCounter, Flops
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings


def count_convolutions(module: nn.Module, inputs: Tensor) -> int:
    """Return twice the multiplications of all convolutions, from the shapes of their outputs."""
    counted = []

    def count(layer: nn.Conv2d, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        rows, cols = output.shape[2:]
        kernel = layer.kernel_size[0] * layer.kernel_size[1]
        counted.append(2 * layer.out_channels * rows * cols * kernel * layer.in_channels // layer.groups)

    hooks = [layer.register_forward_hook(count) for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        module(inputs)
    for hook in hooks:
        hook.remove()
    return sum(counted)


@pytest.mark.parametrize("hidden", [0, 48])
def test_the_operations_of_every_part(hidden: int) -> None:
    backbone = load_backbone("efficientnet_lite0")
    head = AdaptationHead(HeadSettings(backbone.width, 5, hidden)).eval()
    height, width = 96, 160
    counted = FlopCounter(backbone, head)(height, width)
    canvas = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    cells = backbone.layout.cells(height) * backbone.layout.cells(width)
    assert counted.body == count_convolutions(backbone, canvas)
    assert counted.projection == 2 * cells * backbone.channels * backbone.width
    assert counted.head == 2 * cells * (
        backbone.width * hidden + hidden * 5 if hidden else backbone.width * 5
    )
    assert counted.total == counted.body + counted.projection + counted.head


def test_counting_does_not_move_the_modules() -> None:
    backbone = load_backbone("efficientnet_lite0")
    head = AdaptationHead(HeadSettings(backbone.width, 5, 8))
    FlopCounter(backbone, head)(64, 64)
    assert {parameter.device.type for parameter in (*backbone.parameters(), *head.parameters())} == {"cpu"}


def test_operations_add_up() -> None:
    assert Flops(1, 2, 3) + Flops(10, 20, 30) == Flops(11, 22, 33)
    assert sum([Flops(1, 0, 0), Flops(2, 0, 0)], Flops()).total == 3

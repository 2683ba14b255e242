"""OverFeat as a convolutional trunk: its windows, its layers, and its file of bare numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from freeloc.errors import FreelocError
from freeloc.geometry import Pyramid, Size
from freeloc.trunks import load_trunk
from freeloc.trunks.overfeat import OverFeat, load_overfeat

WINDOW, STRIDE = 221, 36

SHAPES = [
    (96, 3, 7), (256, 96, 7), (512, 256, 3), (512, 512, 3), (1024, 512, 3), (1024, 1024, 3), (4096, 1024, 5),
    (4096, 4096, 1),
]  # fmt: skip
"""Outputs, inputs, side of the kernels of every layer but the classifier."""


@pytest.fixture(scope="module")
def shapes_only() -> OverFeat:
    """The network without numbers: maps have sizes but no content, at no cost."""
    with torch.device("meta"):
        return OverFeat()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random numbers of the published file's size, small enough for activations to stay numbers."""
    path = tmp_path_factory.mktemp("overfeat") / "net_weight_1"
    count = sum(o * i * k * k + o for o, i, k in SHAPES) + 1000 * 4096 + 1000
    rng = np.random.default_rng(0)
    with path.open("wb") as out:
        while count:
            part = min(count, 2**24)
            out.write((0.02 * (rng.random(part, np.float32) - 0.45)).astype("<f4").tobytes())
            count -= part
    yield path
    path.unlink()  # more than half a gigabyte


@pytest.fixture(scope="module")
def trunk(file: Path) -> OverFeat:
    loaded = load_trunk("overfeat", file)
    assert isinstance(loaded, OverFeat)
    return loaded


@given(st.integers(221, 900), st.integers(221, 900))
def test_a_canvas_gives_its_whole_windows(shapes_only: OverFeat, height: int, width: int) -> None:
    canvas = torch.empty(1, 3, height, width, device="meta")
    rows, cols = shapes_only.body(canvas).shape[2:]
    assert (rows, cols) == ((height - WINDOW) // STRIDE + 1, (width - WINDOW) // STRIDE + 1)


def test_the_layers_are_those_of_the_accurate_network(shapes_only: OverFeat) -> None:
    layers = [layer for layer in shapes_only.body if isinstance(layer, nn.Conv2d)]
    assert [(layer.out_channels, layer.in_channels, layer.kernel_size[0]) for layer in layers] == SHAPES
    assert (shapes_only.channels, shapes_only.width) == (4096, 4096)


@given(st.integers(30, 900), st.integers(30, 900), st.sampled_from((0.5, 0.7, 1.0, 2.0)))
def test_cells_lie_at_the_windows_centres(
    shapes_only: OverFeat, width: int, height: int, scale: float
) -> None:
    grid = Pyramid((scale,)).grid(Size(width, height), scale, shapes_only.layout)
    rows, cols = shapes_only.body(
        torch.empty(1, 3, grid.canvas.height, grid.canvas.width, device="meta")
    ).shape[2:]
    assert grid.valid_rows <= rows
    assert grid.valid_cols <= cols
    ratio = width / grid.content.width
    for index in (0, grid.valid_cols - 1):
        x = float(grid.to_photo((0, index))[0])
        assert x == pytest.approx(min(width, (110.5 + 36 * index) * ratio), abs=1e-6) or grid.valid_cols == 1


def test_every_number_of_the_file_lands_in_its_place(trunk: OverFeat, file: Path) -> None:
    numbers = np.memmap(file, "<f4", "r")
    start = 0
    layers = [layer for layer in trunk.body if isinstance(layer, nn.Conv2d)]
    for (outputs, inputs, side), layer in zip(SHAPES, layers, strict=True):
        count = outputs * inputs * side * side
        kernel = numbers[start : start + count].reshape(outputs, inputs, side, side)
        assert np.array_equal(layer.weight.numpy(), kernel)
        start += count
        assert layer.bias is not None
        assert np.array_equal(layer.bias.numpy(), numbers[start : start + outputs])
        start += outputs
    assert len(numbers) - start == 1000 * 4096 + 1000


def test_one_window_is_the_fixed_size_network(trunk: OverFeat) -> None:
    canvas = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, WINDOW, WINDOW, 3), np.uint8))
    values = (canvas.permute(0, 3, 1, 2).float() - 118.380948) / 61.896913
    layers = [layer for layer in trunk.body if isinstance(layer, nn.Conv2d)]
    with torch.inference_mode():
        for index, layer in enumerate(layers):
            stride, padding = (2 if index == 0 else 1), (1 if 2 <= index <= 5 else 0)
            values = functional.conv2d(values, layer.weight, layer.bias, stride, padding).relu()
            if index in (0, 1, 5):
                values = functional.max_pool2d(values, {0: 3, 1: 2, 5: 3}[index])
        found = trunk(canvas)
    assert values.shape == (1, 4096, 1, 1)
    assert values.abs().max() > 0
    torch.testing.assert_close(found, values, rtol=1e-4, atol=1e-4)


def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "net_weight_0"
    short.write_bytes(bytes(400))
    with pytest.raises(FreelocError, match="400 bytes instead of the 578625952 of OverFeat.*net_weight_1"):
        load_overfeat("overfeat", str(short))
    with pytest.raises(FreelocError, match="cannot be read.*net_weight_1"):
        load_overfeat("overfeat", str(tmp_path / "none"))


def test_nothing_is_downloaded() -> None:
    with pytest.raises(FreelocError, match="give --weights the file net_weight_1"):
        load_trunk("overfeat")

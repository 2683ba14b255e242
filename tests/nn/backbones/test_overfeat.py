"""OverFeat as a convolutional backbone: correct loading of the published file, and results window by window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from freeloc._literals import Padding
from freeloc.errors import FreelocError
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.overfeat import WEIGHT_FILE_BYTES, OverFeat, load_overfeat
from freeloc.runtime import compile_network
from tests.nn.backbones.canvases import noise

WINDOW, STRIDE = 221, 36

PLACES = (
    ((96, 3, 7, 7), 0, 14112),
    ((256, 96, 7, 7), 14208, 1218432),
    ((512, 256, 3, 3), 1218688, 2398336),
    ((512, 512, 3, 3), 2398848, 4758144),
    ((1024, 512, 3, 3), 4758656, 9477248),
    ((1024, 1024, 3, 3), 9478272, 18915456),
    ((4096, 1024, 5, 5), 18916480, 123774080),
    ((4096, 4096, 1, 1), 123778176, 140555392),
    ((1000, 4096, 1, 1), 140559488, 144655488),
)
"""Shape of each layer's kernels, and where kernels and biases begin in the published file, in numbers."""

FULL = 6
"""Layers whose kernels are all random; of the two wide ones only the first `OUTPUTS` outputs have kernels."""
OUTPUTS = 24


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of the published size with random numbers, sparse where the wide layers' zeros are."""
    path = tmp_path_factory.mktemp("overfeat") / "net_weight_1"
    random = np.random.default_rng(5)
    values = random.standard_normal(1_000_003).astype("<f4")
    with path.open("wb") as file:
        file.truncate(WEIGHT_FILE_BYTES)
        for layer, (shape, kernels, biases) in enumerate(PLACES):
            inputs = shape[1] * shape[2] * shape[3]
            count = inputs * (shape[0] if layer < FULL else OUTPUTS)
            file.seek(4 * kernels)
            file.write((np.resize(values, count) * np.float32((2 / inputs) ** 0.5)).tobytes())
            file.seek(4 * biases)
            file.write((random.standard_normal(shape[0]) * 0.1).astype("<f4").tobytes())
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def numbers(weight_file: Path) -> np.ndarray:
    return np.memmap(weight_file, "<f4", mode="r")


@pytest.fixture(scope="module")
def backbone(weight_file: Path) -> Backbone:
    return load_overfeat("overfeat", weight_file)


@pytest.fixture(scope="module")
def shapes_only() -> OverFeat:
    """The network on the meta device, on which maps have shapes but no values."""
    with torch.device("meta"):
        return OverFeat()


def fixed_size_network(numbers: np.ndarray, canvas: Tensor) -> Tensor:
    """The network implemented from its description, one window at a time: (1, 221, 221, 3) → (1, 4096)."""
    values = (canvas.permute(0, 3, 1, 2).float() - 118.380948) / 61.896913
    for layer, (shape, kernels, biases) in enumerate(PLACES[:FULL]):
        inputs = int(np.prod(shape))
        weight = torch.tensor(numbers[kernels : kernels + inputs].reshape(shape))
        bias = torch.tensor(numbers[biases : biases + shape[0]])
        values = functional.conv2d(
            values, weight, bias, stride=2 if layer == 0 else 1, padding=int(layer > 1)
        )
        values = values.relu()
        pooled = {0: 3, 1: 2, 5: 3}.get(layer)
        if pooled:
            values = functional.max_pool2d(values, pooled, pooled)
    assert values.shape == (1, 1024, 5, 5)
    values = values.flatten(1)
    for shape, kernels, biases in PLACES[FULL:-1]:
        inputs = shape[1] * shape[2] * shape[3]
        # Rows beyond the first few are holes of the file: zeros.
        some = torch.tensor(numbers[kernels : kernels + OUTPUTS * inputs].reshape(OUTPUTS, inputs))
        bias = torch.tensor(numbers[biases : biases + shape[0]])
        values = (functional.pad(values @ some.T, (0, shape[0] - OUTPUTS)) + bias).relu()
    return values


# --- weights ---------------------------------------------------------------------------------------------


def test_the_file_ends_with_the_last_layers_biases() -> None:
    assert 4 * (PLACES[-1][2] + 1000) == WEIGHT_FILE_BYTES


def test_every_number_lands_in_its_place(backbone: Backbone, numbers: np.ndarray) -> None:
    layers = [layer for layer in backbone.body.children() if isinstance(layer, nn.Conv2d)]
    assert len(layers) == len(PLACES) - 1  # the classifier is dropped
    for layer, (shape, kernels, biases) in zip(layers, PLACES, strict=False):
        weight, bias = layer.weight.numpy(), layer.get_parameter("bias").numpy()
        assert weight.shape == shape
        assert not layer.weight.requires_grad
        np.testing.assert_array_equal(weight[:OUTPUTS].ravel(), numbers[kernels:][: weight[:OUTPUTS].size])
        np.testing.assert_array_equal(weight[-1].ravel(), numbers[biases - weight[-1].size : biases])
        np.testing.assert_array_equal(bias, numbers[biases : biases + shape[0]])


def test_without_a_file_the_error_tells_where_it_comes_from() -> None:
    with pytest.raises(
        FreelocError, match=r"not downloaded automatically: specify net_weight_1 of OverFeat's own"
    ):
        load_overfeat()


@pytest.mark.parametrize("change", [-4, 4, -WEIGHT_FILE_BYTES])
def test_a_file_of_another_size_is_refused(tmp_path: Path, change: int) -> None:
    path = tmp_path / "cut"
    path.touch()
    os.truncate(path, WEIGHT_FILE_BYTES + change)
    with pytest.raises(
        FreelocError, match=rf"cut has {WEIGHT_FILE_BYTES + change} bytes instead of 578625952"
    ):
        load_overfeat(weights=path)


# --- the same network ------------------------------------------------------------------------------------


def test_equals_the_fixed_size_network_on_one_window(backbone: Backbone, numbers: np.ndarray) -> None:
    canvas = noise(WINDOW, WINDOW)
    features = backbone.projection(backbone(canvas))
    reference = fixed_size_network(numbers, canvas)
    assert features.shape == (1, 4096, 1, 1)
    assert float(reference[:, :OUTPUTS].max()) > 0.5, "the reference says something"
    torch.testing.assert_close(features.flatten(1), reference, rtol=1e-4, atol=1e-4)


def test_padding_colour_normalises_to_nearly_zero(backbone: Backbone) -> None:
    canvas = torch.tensor(backbone.pad_color, dtype=torch.uint8).view(1, 1, 1, 3)
    assert backbone.pad_color == (118, 118, 118)
    assert float(backbone.normalization(canvas).abs().max()) < 0.5 / 61.896913


@pytest.mark.slow
def test_both_runtimes_agree(backbone: Backbone) -> None:
    canvas = noise(WINDOW, WINDOW + STRIDE, seed=1)[0].numpy()
    wanted = compile_network(backbone, runtime="torch", precision="float32")(canvas)
    found = compile_network(backbone, runtime="openvino", precision="float32")(canvas)
    assert wanted.shape == found.shape == (4096, 1, 2)
    assert float(wanted.max()) > 0.5
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


# --- where cells lie -------------------------------------------------------------------------------------


def test_every_side_gives_just_its_whole_windows(shapes_only: OverFeat) -> None:
    assert shapes_only.layout.stride == STRIDE == 2 * 3 * 2 * 3
    for side in [*range(WINDOW, WINDOW + 3 * STRIDE + 2), *range(1400, 1400 + STRIDE)]:
        image = torch.empty(1, 3, WINDOW, side, device="meta")
        cells = (side - WINDOW) // STRIDE + 1
        assert shapes_only.body(image).shape == (1, 4096, 1, cells), side
        assert shapes_only.body(image.mT).shape == (1, 4096, cells, 1), side
        assert shapes_only.layout.cells(side) == cells


@given(
    width=st.integers(1, 900),
    height=st.integers(1, 900),
    scale=st.floats(0.1, 3.0),
    padding=st.sampled_from(get_args(Padding)),
)
@example(width=500, height=375, scale=0.5, padding="square")
@settings(max_examples=40)
def test_grids_foretell_the_map(
    shapes_only: OverFeat, width: int, height: int, scale: float, padding: Padding
) -> None:
    grid = Pyramid((scale,), padding).grid(Size(width, height), scale, shapes_only.layout)
    image = torch.empty(1, 3, grid.canvas.height, grid.canvas.width, device="meta")
    assert shapes_only.body(image).shape[2:] == (grid.rows, grid.cols)


@pytest.mark.parametrize("axis", [2, 3])
def test_a_cell_reads_the_pixels_around_its_windows_center(shapes_only: OverFeat, axis: int) -> None:
    """The receptive field of a cell follows from the sizes of the layers, from the last layer to the first."""
    first = last = 4  # cell 4 of the map, whose neighborhood does not reach the border
    for layer in reversed(list(shapes_only.body.children())):
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, stride, padding = (
                int(value if isinstance(value, int) else value[axis - 2])
                for value in (layer.kernel_size, layer.stride, layer.padding)
            )
            first, last = first * stride - padding, last * stride - padding + kernel - 1
    layout = shapes_only.layout
    assert (first + last + 1) / 2 == layout.offset + 4 * layout.stride
    assert layout.offset == WINDOW / 2
    assert last + 1 - first == 317


def test_moving_the_image_by_one_stride_moves_the_inner_map_by_one_cell(backbone: Backbone) -> None:
    length = WINDOW + 5 * STRIDE  # 6 cells, of which 2 and 3 read no padding along this axis
    scene = noise(WINDOW, length + STRIDE, seed=2)
    before = backbone(scene[:, :, :length]).flatten(2)[:, :OUTPUTS]
    after = backbone(scene[:, :, STRIDE:]).flatten(2)[:, :OUTPUTS]
    assert before.shape == (1, OUTPUTS, 6)
    torch.testing.assert_close(after[..., 2:3], before[..., 3:4], rtol=1e-4, atol=1e-4)
    # Closer to the border, a cell reads padding in one of the two, and may differ.
    for near in (1, 3):
        assert not torch.allclose(after[..., near], before[..., near + 1], rtol=1e-4, atol=1e-4)

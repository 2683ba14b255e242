"""Networks with widths, groups, response normalization and geometry of their own, from weight files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from freeloc.errors import FreelocError
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones.alexnet import AlexNet, load_alexnet
from freeloc.nn.backbones.alexnet_layers import (
    METADATA_KEY,
    TORCHVISION,
    Architecture,
    LayerSettings,
    LayerShapes,
    MaxPooling,
    ResponseNormalization,
)
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import compile_network
from tests.nn.backbones.canvases import noise
from tests.nn.backbones.plain_alexnet import Plain, plain_network

MEAN, DEVIATION = (120.5, 110.0, 90.25), (2.0, 1.0, 0.5)
LRN = ResponseNormalization(size=3, alpha=0.5, beta=0.75, k=2.0)
PLAIN_LRN = ("lrn", 3, 0.5, 0.75, 2.0)
POOL, CEIL = MaxPooling(kernel=3, stride=2), MaxPooling(kernel=2, stride=2, padding=1)

SHAPES = {
    "conv1": (8, 3, 5, 5),
    "conv2": (6, 4, 3, 3),
    "conv3": (8, 6, 3, 3),
    "conv4": (8, 2, 3, 3),
    "conv5": (4, 4, 3, 3),
    "fc6": (11, 4 * 9),
    "fc7": (7, 11),
}
"""Layers 2, 4 and 5 have 2, 4 and 2 groups."""


def architecture(window: int, *layers: LayerSettings) -> Architecture:
    return Architecture(window=window, mean=MEAN, deviation=DEVIATION, layers=layers)


OPEN = (
    architecture(
        53,
        LayerSettings(stride=2, pooling=POOL, response_normalization=LRN),
        LayerSettings(pooling=MaxPooling(kernel=2, stride=1), response_normalization=LRN, pools_first=True),
        LayerSettings(),
        LayerSettings(),
        LayerSettings(),
    ),
    [
        Plain(2, 0, (PLAIN_LRN, ("pool", 3, 2))),
        Plain(after=(("pool", 2, 1), PLAIN_LRN)),
        *(Plain(), Plain(), Plain()),
    ],
)
"""A network without padding: every cell sees its window as the network of fixed size does."""

PADDED = (
    architecture(
        40,
        LayerSettings(stride=2, padding=(1, 0), pooling=POOL, response_normalization=LRN, pools_first=True),
        LayerSettings(padding=(1, 1), pooling=CEIL, response_normalization=LRN),
        LayerSettings(padding=(1, 1)),
        LayerSettings(padding=(1, 1)),
        LayerSettings(padding=(1, 1), pooling=MaxPooling(kernel=3, stride=1)),
    ),
    [
        Plain(2, 1, (("pool", 3, 2), PLAIN_LRN)),
        Plain(1, 1, (PLAIN_LRN, ("pool", 2, 2))),
        *(Plain(1, 1), Plain(1, 1), Plain(1, 1, (("pool", 3, 1),))),
    ],
)
"""Padded convolutions, and a pooling whose last square extends beyond the map of a window."""


def random_weights(shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    state: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        fan = np.prod(shape[1:])
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * float((2 / fan) ** 0.5)
        state[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.1
    return state


def write(path: Path, described: Architecture | str | None, state: dict[str, Tensor] | None = None) -> Path:
    text = described.to_json() if isinstance(described, Architecture) else described
    metadata = None if text is None else {METADATA_KEY: text}
    save_file(random_weights() if state is None else state, path, metadata=metadata)
    return path


def expected(canvas: Tensor, layers: list[Plain], x: int = 0, y: int = 0, window: int = 0) -> np.ndarray:
    """Return what the plain network says about a window of a canvas."""
    weights = {key: value.numpy() for key, value in random_weights().items()}
    crop = canvas[0, y : y + window, x : x + window].numpy().transpose(2, 0, 1)
    mean, deviation = (np.array(values).reshape(3, 1, 1) for values in (MEAN, DEVIATION))
    return plain_network((crop - mean) / deviation, weights, layers)


# --- the same network ------------------------------------------------------------------------------------


def test_each_cell_equals_the_network_of_fixed_size_on_its_window(tmp_path: Path) -> None:
    described, layers = OPEN
    backbone = load_alexnet(weights=write(tmp_path / "open.safetensors", described))
    stride, window = backbone.layout.stride, 53
    assert (stride, backbone.layout.window, backbone.layout.offset) == (4, window, 26.5)
    canvas = noise(window + stride + 3, window + 2 * stride)  # three pixels are left over
    features = backbone(canvas)[0].numpy()
    assert features.shape == (7, 2, 3)
    for row in range(2):
        for col in range(3):
            wanted = expected(canvas, layers, col * stride, row * stride, window)
            assert wanted.max() > 0.1, "the reference says something"
            np.testing.assert_allclose(features[:, row, col], wanted, rtol=1e-4, atol=1e-5)


def test_padding_and_poolings_beyond_the_map_are_those_of_a_window(tmp_path: Path) -> None:
    described, layers = PADDED
    backbone = load_alexnet(weights=write(tmp_path / "padded.safetensors", described))
    assert backbone.layout.stride == 8
    canvas = noise(40, 40, seed=3)
    wanted = expected(canvas, layers, window=40)
    assert wanted.max() > 0.1
    np.testing.assert_allclose(backbone(canvas)[0, :, 0, 0].numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("described", [OPEN[0], PADDED[0]], ids=["open", "padded"])
@pytest.mark.parametrize("padding", ["stride", "square", "paper"])
def test_grids_foretell_the_map(described: Architecture, padding: Any) -> None:
    shapes = LayerShapes.of([SHAPES[f"conv{number}"] for number in range(1, 6)], 11, 7)
    with torch.device("meta"):
        network = AlexNet(shapes, described)
    for width, height in ((60, 40), (41, 91), (500, 333), (9, 300)):
        for scale in (0.2, 0.31, 1.0):
            grid = Pyramid((scale,), padding).grid(Size(width, height), scale, network.layout)
            image = torch.empty(1, 3, grid.canvas.height, grid.canvas.width, device="meta")
            assert network.body(image).shape[2:] == (grid.rows, grid.cols), (width, height, scale)


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_runtimes_agree_on_response_normalization(tmp_path: Path, runtime: Any) -> None:
    described, layers = OPEN
    backbone = load_alexnet(weights=write(tmp_path / "open.safetensors", described))
    canvas = noise(53, 53, seed=5)
    found = compile_network(backbone, runtime=runtime, precision="float32")(canvas[0].numpy())
    np.testing.assert_allclose(found[:, 0, 0], expected(canvas, layers, window=53), rtol=1e-3, atol=1e-3)


# --- what a file says ------------------------------------------------------------------------------------


def test_widths_and_groups_come_from_the_shapes_of_a_plain_state_dict(tmp_path: Path) -> None:
    shapes = {
        "features.0": (4, 3, 11, 11),
        "features.3": (6, 2, 5, 5),
        "features.6": (4, 6, 3, 3),
        "features.8": (4, 2, 3, 3),
        "features.10": (2, 4, 3, 3),
        "classifier.1": (24, 72),
        "classifier.4": (20, 24),
        "classifier.6": (1512, 20),
    }
    state = random_weights(shapes)
    torch.save(state, tmp_path / "wide.pth")
    backbone = load_alexnet(weights=tmp_path / "wide.pth")
    assert (backbone.width, backbone.layout.window, backbone.architecture) == (20, 224, "")
    names = dict(zip(shapes, ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"), strict=True))
    weights = {
        f"{names[layer]}.{kind}": value.numpy()
        for (layer, _, kind), value in ((key.rpartition("."), value) for key, value in state.items())
    }
    pool = (("pool", 3, 2),)
    layers = [Plain(4, 2, pool), Plain(1, 2, pool), Plain(1, 1), Plain(1, 1), Plain(1, 1, pool)]
    canvas = noise(224, 224)
    image = backbone.normalization(canvas)[0].numpy()
    wanted = plain_network(image, weights, layers)
    assert wanted.max() > 0.1
    np.testing.assert_allclose(backbone(canvas)[0, :, 0, 0].numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_networks_that_differ_only_in_their_description_have_different_fingerprints(tmp_path: Path) -> None:
    first, *others = PADDED[0].layers
    norm = replace(LRN, alpha=0.25)
    kinds: dict[str, Architecture] = {
        "same": PADDED[0],
        "alpha": replace(PADDED[0], layers=(replace(first, response_normalization=norm), *others)),
        "order": replace(PADDED[0], layers=(replace(first, pools_first=False), *others)),
        "mean": replace(PADDED[0], mean=(1.0, 2.0, 3.0)),
    }
    backbones: dict[str, Backbone] = {
        name: load_alexnet(weights=write(tmp_path / f"{name}.safetensors", described))
        for name, described in kinds.items()
    }
    prints = {name: backbone.fingerprint for name, backbone in backbones.items()}
    assert len(set(prints.values())) == len(kinds)
    again = load_alexnet(weights=write(tmp_path / "again.safetensors", PADDED[0]))
    assert again.fingerprint == prints["same"]
    assert backbones["mean"].pad_color == (1, 2, 3)


def test_torchvisions_description_is_the_same_as_none(tmp_path: Path) -> None:
    shapes = {
        "conv1": (2, 3, 11, 11),
        "conv2": (2, 2, 5, 5),
        "conv3": (2, 2, 3, 3),
        "conv4": (2, 2, 3, 3),
        "conv5": (2, 2, 3, 3),
        "fc6": (4, 72),
        "fc7": (3, 4),
    }
    state = random_weights(shapes)
    prints = {
        load_alexnet(weights=write(tmp_path / "file.safetensors", described, state)).fingerprint
        for described in (None, TORCHVISION)
    }
    assert len(prints) == 1


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(PADDED[0].to_json()), **values})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be used"),
        ("[]", "not version 1"),
        (changed(version=2), "not version 1"),
        (changed(color="blue"), "unknown field 'color'"),
        (changed(window=44), "do not fit windows of 44 pixels"),
        (changed(window=39), "do not fit windows of 39 pixels"),
        (changed(window=10**9), "window must be between 1 and 4096"),
        (changed(layers=[{}] * 5), r"requires \(11, 3136\)"),
        (changed(layers=[{}]), "must be 5 convolutional layers, not 1"),
        (changed(layers=[{"stride": 0}] * 5), "stride"),
        (changed(layers=[{"stride": 64}] * 5), "strides of all layers"),
        (changed(layers=[{"response_normalization": {"size": 4}}] * 5), "must be odd, not 4"),
        (changed(layers=[{"response_normalization": {"k": 0}}] * 5), r"\bk\b"),
        (changed(layers=[{"pooling": {"kernel": 2, "padding": 2}}] * 5), "padding of a pooling"),
        (changed(deviation=[0, 1, 1]), "deviation"),
        (changed(mean=[0, 1]), "mean"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FreelocError, match=message) as error:
        load_alexnet(weights=write(tmp_path / "bad.safetensors", text))
    assert "bad.safetensors" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv2.weight"), r"lacks 1 tensor \(first: conv2\.weight\)"),
        (lambda state: state.pop("conv2.bias"), r"lacks 1 tensor \(first: conv2\.bias\)"),
        (lambda state: state.update({"fc9.weight": torch.zeros(1)}), "1 unknown tensor"),
        (
            lambda state: state.update({"conv3.weight": torch.zeros(8, 4, 3, 3)}),
            r"conv3\.weight .* \(8, 6, 3, 3\)",
        ),
        (lambda state: state.update({"conv3.weight": torch.zeros(8, 6, 3)}), "instead of 4 dimensions"),
        (lambda state: state.update({"conv3.weight": torch.zeros(0, 6, 3, 3)}), "instead of 4 dimensions"),
        (lambda state: state.update({"fc6.weight": torch.zeros(11, 35)}), r"fc6\.weight .* \(11, 36\)"),
        (lambda state: state.update({"conv1.weight": torch.zeros(8, 3, 5, 3)}), r"\(8, 3, 5, 5\)"),
    ],
)
def test_tensors_that_contradict_each_other_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    state = random_weights()
    change(state)
    with pytest.raises(FreelocError, match=message):
        load_alexnet(weights=write(tmp_path / "bad.safetensors", PADDED[0], state))

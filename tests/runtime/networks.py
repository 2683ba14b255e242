"""Small networks and images for the tests of the runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from freeloc._typing import Float64Array, Uint8Array
from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.runtime import QuantizedGraph

FACTOR = np.full((1, 1), 0.5, np.float32)
"""The extra input of `quantized_graph`."""

RGB: TypeAlias = tuple[float, float, float]


class Patches(Backbone):
    """A real backbone of one convolution: cell (i, j) is a weighted sum of its 32×32 pixels."""

    def __init__(
        self, seed: int = 0, mean: RGB = (100.0, 120.0, 140.0), deviation: RGB = (50.0, 60.0, 70.0)
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.name = "patches"
        self.layout = CellLayout(32, 16.0)
        self.channels = self.width = 5
        self.normalization = Normalization(mean, deviation)
        self.body = nn.Sequential(nn.Conv2d(3, 5, 32, stride=32))
        self.projection = nn.Identity()
        self.freeze()

    def by_hand(self, canvas: Uint8Array) -> Float64Array:
        """Return the (5, rows, cols) map of a canvas."""
        state = {key: value.double().numpy() for key, value in self.state_dict().items()}
        pixels = (canvas - np.array(self.normalization.mean)) / np.array(self.normalization.deviation)
        rows, cols = canvas.shape[0] // 32, canvas.shape[1] // 32
        patches = pixels.reshape(rows, 32, cols, 32, 3)
        values: Float64Array = np.einsum("iyjxc,ocyx->oij", patches, state["body.0.weight"])
        values += state["body.0.bias"][:, None, None]
        return values


class Scaled(nn.Module):
    """A module with two extra inputs and three outputs."""

    def forward(
        self, features: torch.Tensor, factor: torch.Tensor, cube: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return features * factor, features.amax(dim=(2, 3)), cube[:1]


def quantized_graph(folder: Path, seed: int = 0) -> QuantizedGraph:
    """Return two convolutions in eight bits, with one extra input and two outputs.

    The first output is the map times the extra input, a number; the second the largest value of every channel.
    """
    from openvino import Model, PartialShape, Type, opset13, save_model

    rng = np.random.default_rng(seed)

    def eight_bits(values: Any, low: float, high: float, levels: int) -> Any:
        ends = [np.float32(end) for end in (low, high, low, high)]
        return opset13.fake_quantize(values, *ends, levels)

    canvas = opset13.parameter(PartialShape([1, -1, -1, 3]), Type.u8)
    factor = opset13.parameter(PartialShape([-1, -1]), Type.f32)
    values = opset13.transpose(opset13.convert(canvas, Type.f32), np.array([0, 3, 1, 2]))
    values = eight_bits(values, 0, 255, 256)
    for inputs, outputs, stride in ((3, 32, 4), (32, 16, 8)):
        weights = rng.normal(0, 0.05, (outputs, inputs, stride, stride)).astype(np.float32)
        values = opset13.convolution(
            values,
            eight_bits(opset13.constant(weights), -0.2, 0.2, 255),
            strides=[stride, stride],
            pads_begin=[0, 0],
            pads_end=[0, 0],
            dilations=[1, 1],
        )
        values = eight_bits(opset13.relu(values), 0, 64, 256)
    largest = opset13.reduce_max(values, np.array([2, 3]), keep_dims=False)
    results = [opset13.multiply(values, factor), largest]
    file = folder / f"quantized{seed}.xml"
    save_model(Model(results, [canvas, factor], "quantized"), file, compress_to_fp16=False)
    return QuantizedGraph(file.read_bytes(), file.with_suffix(".bin").read_bytes())


def smooth_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return smooth shapes with some noise, similar to the values of a photo."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, height // 32 + 1, width // 32 + 1)))
    soft = nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].permute(1, 2, 0).numpy()
    return np.clip(255 * soft + rng.normal(0, 8, soft.shape), 0, 255).astype(np.uint8)

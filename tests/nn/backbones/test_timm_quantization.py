"""Int8 networks of timm backbones: a vision transformer and a ConvNeXt, as ``freeloc quantize`` creates them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
import torch
from torch import nn

from freeloc.inference.scoring_graph import int8_parts
from freeloc.nn.backbones.timm_adapter import TimmBackbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import QuantizedGraph, compile_quantized
from freeloc.runtime.protocol import Canvas
from freeloc.training.quantization.nncf_quantization import quantize_network
from tests.nn.backbones.canvases import noise

Fill = Callable[[nn.Module, int], nn.Module]

NETWORKS: dict[str, dict[str, Any]] = {  # the smallest of each family, with fewer blocks
    "vit_tiny_patch16_224": {"depth": 3, "dynamic_img_size": True},
    "convnext_atto": {"depths": (1, 1, 1, 1)},
}


class Canvases:
    """Canvases of smooth noise."""

    def __init__(self, count: int, rows: int, cols: int) -> None:
        self.canvases = []
        for seed in range(count):
            coarse = noise(rows // 8, cols // 8, seed).permute(0, 3, 1, 2).float()
            smooth = nn.functional.interpolate(coarse, (rows, cols), mode="bicubic").clamp(0, 255)
            self.canvases.append(smooth[0].permute(1, 2, 0).to(torch.uint8).numpy())

    def __len__(self) -> int:
        return len(self.canvases)

    def __iter__(self) -> Iterator[Canvas]:
        return iter(self.canvases)

    def first(self, count: int, purpose: str) -> Iterable[Canvas]:
        assert purpose
        return self.canvases[:count]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_int8_networks_of_timm_backbones_resemble_the_float_network(
    timm: ModuleType, random_weights: Fill, name: str
) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    network = timm.create_model(name, num_classes=0, **NETWORKS[name])
    backbone = TimmBackbone(f"timm:{name}", random_weights(network, 3))
    backbone.freeze()
    torch.manual_seed(0)
    head = AdaptationHead(HeadSettings(backbone.width, 3, hidden=16))
    nn.init.normal_(head.fcb.weight, std=0.5)
    nn.init.normal_(head.fcb.bias, std=0.5)
    layers, readout = int8_parts(backbone, head)
    with redirect_stdout(io.StringIO()):
        graph = quantize_network(backbone, layers, readout, Canvases(3, 96, 128))
    assert products_in_eight_bits(graph) > 0
    canvas = Canvases(4, 160, 96).canvases[3]  # another shape than those of calibration
    stride = backbone.layout.stride
    rows, cols = 160 // stride, 96 // stride
    field = np.zeros((2, 2, 2), np.float32)
    found = compile_quantized(graph).run(canvas, np.zeros((rows, cols), np.float32), field)
    with torch.no_grad():
        features, detail = backbone.forward_with_detail(torch.from_numpy(canvas)[None])
        scores = layers(features)[0].numpy()
    for values, wanted in ((found[0], scores), (found[-1], detail[0].numpy())):
        assert values.shape == wanted.shape
        assert np.linalg.norm(values - wanted) < 0.08 * np.linalg.norm(wanted)


def products_in_eight_bits(graph: QuantizedGraph) -> int:
    """Return the number of layers of a graph that store eight-bit weights."""
    layers = fromstring(graph.structure).find("layers")
    assert layers is not None
    kinds = [layer.find("data") for layer in layers if layer.get("type") == "Const"]
    return sum(data is not None and data.get("element_type") == "i8" for data in kinds)

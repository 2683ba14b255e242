"""Layers that stay float32, and the effect on accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import load_image
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime.compile import network_graph
from freeloc.runtime.float32_stem import stem_layers, with_float32_stem
from freeloc.runtime.hardware import cpu_supports_bfloat16
from freeloc.runtime.openvino_backend import OpenVinoNetwork

NATIVE = cpu_supports_bfloat16()


@pytest.fixture(scope="module")
def graph() -> Any:
    return network_graph(load_backbone("efficientnet_lite0"), None)


def convolutions(network: OpenVinoNetwork) -> list[str]:
    """Precisions of the compiled convolutions, in the order in which they run."""
    nodes = network._compiled.get_runtime_model().get_ordered_ops()
    facts = [node.get_rt_info() for node in nodes]
    return [
        str(own["runtimePrecision"].astype(str))
        for own in facts
        if own["layerType"].astype(str) == "Convolution"
    ]


def picture() -> np.ndarray:
    rng = np.random.default_rng(5)
    patches = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return np.asarray(load_image(Image.fromarray(patches).resize((384, 288), Image.Resampling.BICUBIC)))


def test_they_are_the_stem_and_the_first_depthwise_convolution(graph: Any) -> None:
    names = stem_layers(graph)
    kinds = {node.get_friendly_name(): node.get_type_name() for node in graph.get_ordered_ops()}
    heavy = [kinds[name] for name in names if "Convolution" in kinds[name]]
    assert heavy == ["Convolution", "GroupConvolution"]
    assert len(names) > len(heavy), "their biases and limits belong to them"


def test_a_backbone_of_few_large_layers_has_none() -> None:
    openvino = pytest.importorskip("openvino")
    ops = openvino.opset13
    canvas = ops.parameter([1, -1, -1, 3], openvino.Type.f32)
    node = ops.transpose(canvas, ops.constant([0, 3, 1, 2]))
    for inputs in (3, 8):
        weights = ops.constant(np.ones((8, inputs, 3, 3), np.float32))
        node = ops.convolution(node, weights, [2, 2], [1, 1], [1, 1], [1, 1])
    assert stem_layers(openvino.Model([node], [canvas])) == []


@pytest.mark.skipif(not NATIVE, reason="this processor does not multiply bfloat16")
def test_they_stay_float32_and_the_others_do_not(graph: Any) -> None:
    plain = convolutions(OpenVinoNetwork(graph, "bfloat16", streams=1))
    marked = convolutions(OpenVinoNetwork(with_float32_stem(graph), "bfloat16", streams=1))
    assert set(plain) == {"bf16"}
    assert marked[:2] == ["f32", "f32"]
    assert set(marked[2:]) == {"bf16"}


@pytest.mark.images
@pytest.mark.skipif(not NATIVE, reason="this processor does not multiply bfloat16")
def test_features_come_nearer_to_float32(graph: Any, voc_root: Path) -> None:
    backbone = load_backbone("efficientnet_lite0")
    exact = OpenVinoNetwork(graph, "float32", streams=1)
    plain = OpenVinoNetwork(graph, "bfloat16", streams=1)
    marked = OpenVinoNetwork(with_float32_stem(graph), "bfloat16", streams=1)
    noise = {plain: 0.0, marked: 0.0}
    for file in sorted((voc_root / "JPEGImages").glob("*.jpg"))[:4]:
        for _grid, canvas in load_canvases(file, Pyramid((0.7, 1.0)), backbone.layout, backbone.pad_color):
            for network in noise:
                noise[network] += float(np.square(network(canvas) - exact(canvas)).mean())
    assert 0 < noise[marked] < 0.6 * noise[plain]


def test_float32_is_the_same_with_and_without(graph: Any) -> None:
    plain, marked = (
        OpenVinoNetwork(one, "float32", streams=1)(picture()) for one in (graph, with_float32_stem(graph))
    )
    np.testing.assert_allclose(marked, plain, atol=1e-4)

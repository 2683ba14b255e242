"""The first layers of a network, kept in float32 where all others compute in bfloat16.

Where bfloat16 hurts was measured layer by layer on EfficientNet-Lite2 (raw scores of images against float32):
three quarters of the noise come in with the first two convolutions, which are 2% of the operations. Their outputs
are large, and every later layer sees them rounded. In float32 they take 3 to 4% more time and halve the noise.
"""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml.ElementTree import parse

from freeloc.runtime.openvino_backend import load_openvino

__all__ = ["stem_layers", "with_float32_stem"]

_CONVOLUTIONS_KEPT = 2
_SHARE = 0.04
"""So many convolutions, if they are no more of a backbone's multiplications than this share. On EfficientNet-Lite
backbones, the stem and the first depthwise convolution, they are between 2.6 and 4%."""

_SIDE = 512
_CONVOLUTIONS = {"Convolution", "GroupConvolution"}
_AFTER_CONVOLUTION = {"Add", "Clamp", "Relu"}

_MARK = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:f16"}
"""How OpenVINO's files say that a layer keeps its precision. Its Python interface has no word for it, and versions
that do not know the mark compute as if it were not there."""


def stem_layers(backbone: Any) -> list[str]:
    """Names of a graph's first two convolutions, if they are little of its work, and of what belongs to them.

    Args:
        backbone: an OpenVINO graph with one canvas as its input.
    """
    fixed = backbone.clone()
    fixed.reshape([1, _SIDE, _SIDE, 3])
    layers: list[tuple[int, list[str]]] = []
    for node in fixed.get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind in _CONVOLUTIONS:
            work = math.prod(node.input(1).get_shape()) * math.prod(list(node.get_output_shape(0))[2:])
            layers.append((work, [name]))
        elif kind in _AFTER_CONVOLUTION and layers:
            layers[-1][1].append(name)
    first = layers[:_CONVOLUTIONS_KEPT]
    if sum(work for work, _names in first) > _SHARE * sum(work for work, _names in layers):
        return []
    return [name for _work, names in first for name in names]


def with_float32_stem(backbone: Any) -> Any:
    """The same graph, with its `stem_layers` marked to stay float32 in whatever precision it is compiled.

    Args:
        backbone: an OpenVINO graph with one canvas as its input.
    """
    openvino = load_openvino()
    wanted = set(stem_layers(backbone))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "graph.xml"
        openvino.save_model(backbone, file, compress_to_fp16=False)
        root = parse(file).getroot()
        weights = file.with_suffix(".bin").read_bytes()
    for layer in root.find("layers"):
        if layer.get("name") in wanted:
            SubElement(_facts_of(layer), "attribute", _MARK)
    return openvino.Core().read_model(tostring(root), weights)


def _facts_of(layer: Element) -> Element:
    """The element of a layer that holds such marks; it has its place behind the layer's data."""
    facts = layer.find("rt_info")
    if facts is None:
        facts = Element("rt_info")
        places = [place for place, child in enumerate(layer) if child.tag == "data"]
        layer.insert(places[-1] + 1 if places else 0, facts)
    return facts

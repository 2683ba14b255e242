"""Int8 networks: made from a float graph and some canvases, and kept as bytes that any OpenVINO of today reads.

NNCF measures on the canvases what range the values of every layer have, gives every convolution weights and
inputs of eight bits, and corrects the biases for what that shifts. Processors with VNNI multiply them at about
twice the pace of bfloat16. NNCF is an extra: making an int8 network needs it, running one does not.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from freeloc.errors import FreelocError
from freeloc.runtime.appended_module import AppendedModule
from freeloc.runtime.compile import network_graph
from freeloc.runtime.graph_cache import append_graph, convert
from freeloc.runtime.openvino_backend import OpenVinoNetwork, load_openvino
from freeloc.runtime.protocol import Canvas

if TYPE_CHECKING:
    from torch import nn

    from freeloc.nn.backbones.base import Backbone
    from freeloc.runtime.protocol import Network

__all__ = ["Calibration", "QuantizedGraph", "compile_quantized", "quantize_graph"]


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedGraph:
    """An int8 network of backbone and tail.

    Attributes:
        structure: OpenVINO's description of the graph (XML).
        weights: its weights.
    """

    structure: bytes
    weights: bytes

    def digest(self) -> str:
        """SHA-256 over both."""
        return hashlib.sha256(self.structure + self.weights).hexdigest()


class Calibration(Protocol):
    """Canvases like those that a network will meet; gone through several times."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __iter__(self) -> Iterator[Canvas]:
        """One after the other."""
        ...


def quantize_graph(
    backbone: Backbone, layers: nn.Module, tail: AppendedModule, calibration: Calibration
) -> QuantizedGraph:
    """Turn backbone and layers into an int8 network, with a tail that stays as it is.

    Args:
        backbone: the frozen backbone.
        layers: what follows it with weights: takes its features, gives one tensor.
        tail: what follows those, without weights; eight bits would spoil its sums and save nothing.
        calibration: canvases.

    Raises:
        FreelocError: NNCF or OpenVINO cannot be loaded.
    """
    import torch

    nncf = _load_nncf()
    quantized = nncf.quantize(
        network_graph(backbone, AppendedModule(layers)),
        nncf.Dataset(calibration, lambda canvas: [canvas[None]]),
        preset=nncf.QuantizationPreset.MIXED,  # what no ReLU cuts off spreads around zero
        subset_size=len(calibration),
    )
    width = quantized.get_results()[0].get_output_partial_shape(0)[1].get_length()
    examples = [torch.zeros(1, width, 2, 2), *(torch.zeros([2] * axes) for axes in tail.extra_input_dims)]
    shapes = [[1, width, -1, -1], *([-1] * axes for axes in tail.extra_input_dims)]
    whole = append_graph(quantized, convert(tail.module, examples, shapes))
    # Names count what the process made before; by their place, the same canvases give the same bytes.
    for place, node in enumerate(whole.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{place}")
    for place, output in enumerate(whole.outputs):
        output.get_tensor().set_names({f"output_{place}"})
    with TemporaryDirectory() as folder:
        file = Path(folder) / "graph.xml"
        load_openvino().save_model(whole, file, compress_to_fp16=False)
        return QuantizedGraph(file.read_bytes(), file.with_suffix(".bin").read_bytes())


def compile_quantized(graph: QuantizedGraph, *, streams: bool = False) -> Network:
    """Make an int8 network ready to run; see `freeloc.runtime.compile_network` for ``streams``.

    Raises:
        FreelocError: OpenVINO cannot be loaded, or does not understand the graph.
    """
    openvino = load_openvino()
    try:
        model = openvino.Core().read_model(graph.structure, graph.weights)
    except RuntimeError as error:
        raise FreelocError(
            f"OpenVINO {openvino.__version__} cannot read the model's int8 network: make it again with "
            "freeloc quantize, or leave --precision int8 out"
        ) from error
    return OpenVinoNetwork(model, "int8", streams=streams)


def _load_nncf() -> Any:
    # Unless it takes itself to run in a test farm, NNCF reports its use over the network.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        import nncf
    except ImportError as error:
        raise FreelocError(
            f"int8 networks are made with NNCF, which cannot be loaded ({error}): pip install 'freeloc[int8]'"
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf

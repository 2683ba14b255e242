"""Int8 networks, which models store as bytes.

CPUs with VNNI multiply 8-bit integers about twice as fast as bfloat16 values.
`freeloc.posttraining.nncf_quantization` creates these networks, which requires NNCF; running them does not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeloc.errors import ModelError
from freeloc.runtime.openvino_backend import OpenVinoNetwork
from freeloc.runtime.openvino_import import load_openvino

if TYPE_CHECKING:
    from freeloc.runtime.protocol import Network

__all__ = ["QuantizedGraph", "compile_quantized"]


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedGraph:
    """A backbone and an appended module as one int8 network, in OpenVINO's file format.

    Attributes:
        structure: description of the graph (XML).
        weights: weights of the graph.
    """

    structure: bytes
    weights: bytes

    def digest(self) -> str:
        """Return the SHA-256 of structure and weights, as hexadecimal digits."""
        return hashlib.sha256(self.structure + self.weights).hexdigest()


def compile_quantized(graph: QuantizedGraph, *, streams: bool = False) -> Network:
    """Compile an int8 network; for ``streams`` see `freeloc.runtime.compile_network`.

    Raises:
        MissingDependencyError: OpenVINO cannot be imported.
        ModelError: OpenVINO cannot read the graph.
    """
    openvino = load_openvino()
    try:
        model = openvino.Core().read_model(graph.structure, graph.weights)
    except RuntimeError as error:
        raise ModelError(
            f"OpenVINO {openvino.__version__} cannot read the model's int8 network: quantize the model again, or "
            "choose another precision",
            parameter="precision",
        ) from error
    return OpenVinoNetwork(model, "int8", streams=streams)

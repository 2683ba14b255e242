"""Int8 networks, which models store as bytes.

CPUs with VNNI multiply 8-bit integers at least twice as fast as floating-point values. The package
`freeloc.training.quantization` creates these networks, which requires NNCF; running them does not.

On CPUs with AMX (Intel Xeons since 2023), OpenVINO's int8 kernels for networks of dynamic shape end the process
without an exception on every sixth shape of canvas (openvinotoolkit/openvino issue 37577, in all versions from
2025.2 to 2026.4). No property of the compiled network avoids these kernels. There are three other ways:

- Fixing the shapes before compiling is sound, but takes 0.4 s and some memory for every new shape of canvas; a
  folder of images of many sizes has hundreds of shapes.
- The environment variable ``ONEDNN_MAX_CPU_ISA`` limits the kernels to VNNI, which is sound on every shape and
  faster than AMX. But OpenVINO reads it only once, at the first network of the process, whichever package runs
  that network; and it applies to all networks of the process: those in bfloat16, including the user's own, take
  five times as long.
- The same variable in a process of its own affects nothing else, and nothing that this process has loaded or
  computed can defeat it. Canvases and results pass through pipes, which takes a few milliseconds for the largest.

The third way is used here, on CPUs that report AMX; on all others, the network runs in this process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freeloc.runtime.hardware import cpu_has_amx
from freeloc.runtime.openvino_backend import OpenVinoNetwork
from freeloc.runtime.openvino_import import openvino_core, openvino_errors

if TYPE_CHECKING:
    from freeloc.runtime.protocol import Network

__all__ = ["QuantizedGraph", "compile_in_process", "compile_quantized"]


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


def compile_quantized(
    graph: QuantizedGraph, *, streams: int | None = 1, isolated: bool | None = None
) -> Network:
    """Compile an int8 network, in a process of its own if the CPU requires it.

    Args:
        graph: the network.
        streams: see `freeloc.runtime.compile_network`.
        isolated: whether the network runs in a process of its own; default: on CPUs with AMX.

    Raises:
        MissingDependencyError: OpenVINO cannot be imported.
        ModelError: OpenVINO cannot read the graph, or its process cannot be started.
    """
    if cpu_has_amx() if isolated is None else isolated:
        from freeloc.runtime.isolated_network import IsolatedNetwork

        return IsolatedNetwork(graph, streams=streams)
    return compile_in_process(graph, streams=streams)


def compile_in_process(graph: QuantizedGraph, *, streams: int | None = 1) -> Network:
    """Compile an int8 network in this process, whatever the CPU.

    Raises:
        MissingDependencyError: OpenVINO cannot be imported.
        ModelError: OpenVINO cannot read the graph.
    """

    def read() -> Any:
        with openvino_errors("read the model's int8 network", int8=True):
            return openvino_core().read_model(graph.structure, graph.weights)

    return OpenVinoNetwork(read, "int8", streams=streams, digest=graph.digest())

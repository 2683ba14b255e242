"""How a network is run fast: compiled by OpenVINO on a processor, by torch on a GPU.

The torch modules stay the one definition of every network; this room only decides who executes them. Importing it
imports neither torch nor OpenVINO: a graph that was kept on disk runs without torch ever being loaded.
"""

from freeloc.runtime.appended_module import AppendedModule
from freeloc.runtime.compile import (
    compile_cached,
    compile_network,
    is_graph_cached,
    native_bfloat16,
    torch_device,
)
from freeloc.runtime.int8 import Calibration, QuantizedGraph, compile_quantized, quantize_graph
from freeloc.runtime.openvino_backend import cpu_supports_int8
from freeloc.runtime.protocol import (
    InferencePrecision,
    Network,
    Precision,
    Runtime,
    check_runtime,
    gpu_available,
)

__all__ = [
    "AppendedModule",
    "Calibration",
    "InferencePrecision",
    "Network",
    "Precision",
    "QuantizedGraph",
    "Runtime",
    "check_runtime",
    "compile_cached",
    "compile_network",
    "compile_quantized",
    "cpu_supports_int8",
    "gpu_available",
    "is_graph_cached",
    "native_bfloat16",
    "quantize_graph",
    "torch_device",
]

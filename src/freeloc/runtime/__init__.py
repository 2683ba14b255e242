"""How a network is run fast: compiled by OpenVINO on a processor, by torch on a GPU.

The torch modules stay the one definition of every network; this room only decides who executes them. Importing it
imports neither torch nor OpenVINO: a graph that was kept on disk runs without torch ever being loaded.
"""

from freeloc.runtime.compiling import (
    Tail,
    compile_kept,
    compile_network,
    graph_kept,
    native_bfloat16,
    torch_device,
)
from freeloc.runtime.network import (
    Network,
    Precision,
    Runtime,
    SearchPrecision,
    check_runtime,
    gpu_at_hand,
)
from freeloc.runtime.on_openvino import cpu_multiplies_int8
from freeloc.runtime.quantizing import Calibration, QuantizedGraph, compile_quantized, quantized_graph

__all__ = [
    "Calibration",
    "Network",
    "Precision",
    "QuantizedGraph",
    "Runtime",
    "SearchPrecision",
    "Tail",
    "check_runtime",
    "compile_kept",
    "compile_network",
    "compile_quantized",
    "cpu_multiplies_int8",
    "gpu_at_hand",
    "graph_kept",
    "native_bfloat16",
    "quantized_graph",
    "torch_device",
]

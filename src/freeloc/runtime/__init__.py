"""Runtimes, which run networks: OpenVINO on the CPU, or torch on a GPU.

Networks are defined only once, as torch modules. Importing this package loads neither torch nor OpenVINO, and a
graph cached on disk runs without torch.
"""

from freeloc._literals import InferencePrecision, Precision, Runtime
from freeloc.runtime.appended_module import AppendedModule
from freeloc.runtime.compile import compile_cached, compile_network
from freeloc.runtime.graph_cache import is_graph_cached
from freeloc.runtime.hardware import cpu_supports_int8, gpu_available
from freeloc.runtime.int8 import QuantizedGraph, compile_quantized
from freeloc.runtime.processors import bfloat16_is_faster, int8_is_fastest, torch_device
from freeloc.runtime.protocol import Network, check_runtime

__all__ = [
    "AppendedModule",
    "InferencePrecision",
    "Network",
    "Precision",
    "QuantizedGraph",
    "Runtime",
    "bfloat16_is_faster",
    "check_runtime",
    "compile_cached",
    "compile_network",
    "compile_quantized",
    "cpu_supports_int8",
    "gpu_available",
    "int8_is_fastest",
    "is_graph_cached",
    "torch_device",
]

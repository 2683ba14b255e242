"""How a network is run fast: compiled by OpenVINO on a processor, by torch on a GPU.

The torch modules stay the one definition of every network; this room only decides who executes them. Importing it
imports neither torch nor OpenVINO: a graph that was kept on disk runs without torch ever being loaded.
"""

from freeloc.runtime.compiling import Tail, compile_kept, compile_network, graph_kept, native_bfloat16
from freeloc.runtime.network import Network, Precision, Runtime, check_runtime, gpu_at_hand

__all__ = [
    "Network",
    "Precision",
    "Runtime",
    "Tail",
    "check_runtime",
    "compile_kept",
    "compile_network",
    "gpu_at_hand",
    "graph_kept",
    "native_bfloat16",
]

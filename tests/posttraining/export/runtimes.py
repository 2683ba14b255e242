"""Run a graph in ONNX Runtime or in OpenVINO, which computes integers and float64 in fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import onnx
import onnxruntime

from freeloc.runtime.openvino_import import openvino_core

__all__ = ["RUNTIMES", "runner"]

RUNTIMES: Final = ("onnxruntime", "openvino")


def runner(model: onnx.ModelProto, runtime: str) -> Callable[[Mapping[str, Any]], list[Any]]:
    """A function that computes the outputs of a graph from its inputs, in one thread."""
    data = model.SerializeToString()
    if runtime == "onnxruntime":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(data, options)
        return lambda inputs: session.run(None, dict(inputs))
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    network = openvino_core().compile_model(openvino_core().read_model(data), "CPU", settings)
    return lambda inputs: list(network(dict(inputs)).values())

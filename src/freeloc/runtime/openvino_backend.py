"""Networks run by OpenVINO on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from freeloc._literals import InferencePrecision
from freeloc._typing import Float32Array
from freeloc.runtime.hardware import cpu_supports_bfloat16, usable_cores
from freeloc.runtime.openvino_import import load_openvino
from freeloc.runtime.protocol import Canvas

__all__ = ["OpenVinoNetwork"]


class OpenVinoNetwork:
    """A graph compiled for the CPU.

    Args:
        graph: an OpenVINO model, or the path of its file.
        precision: arithmetic of the network. "int8" requires a quantized graph; its layers that are not quantized
            use the best precision that the CPU supports.
        streams: False uses all cores for one canvas, and True runs one canvas per core.
    """

    runtime = "openvino"
    batch = 1  # on a CPU, one canvas per core is as fast as a batch, and canvases may differ in size

    def __init__(self, graph: Any, precision: InferencePrecision, *, streams: bool) -> None:
        openvino = load_openvino()
        best: InferencePrecision = "bfloat16" if cpu_supports_bfloat16() else "float32"
        self.precision: str = best if precision == "auto" else precision
        float_precision = best if self.precision == "int8" else self.precision
        hint = {"bfloat16": openvino.Type.bf16, "float32": openvino.Type.f32}[float_precision]
        stream_count = usable_cores() if streams else 1
        settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": stream_count}
        model = str(graph) if isinstance(graph, Path) else graph
        self._compiled = openvino.Core().compile_model(model, "CPU", settings)
        _initialize_numpy_binding(openvino)
        self._thread_local = threading.local()
        self.threads = max(2, stream_count)

    def __call__(self, canvas: Canvas) -> Float32Array:
        """Implement `freeloc.runtime.Network`."""
        return self.run(canvas)[0]

    def run(self, canvas: Canvas, *extra_inputs: Float32Array) -> tuple[Float32Array, ...]:
        """Implement `freeloc.runtime.Network`."""
        if not hasattr(self._thread_local, "request"):
            self._thread_local.request = self._compiled.create_infer_request()
        results = self._thread_local.request.infer([canvas[None], *extra_inputs])
        return tuple(results[output][0] for output in self._compiled.outputs)

    def run_many(
        self, canvases: Sequence[Canvas], extra_inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        """Implement `freeloc.runtime.Network`."""
        if extra_inputs is None:
            extra_inputs = [()] * len(canvases)
        return [self.run(canvas, *arrays) for canvas, arrays in zip(canvases, extra_inputs, strict=True)]


def _initialize_numpy_binding(openvino: Any) -> None:
    """Initialize the NumPy support of OpenVINO's Python binding in this thread.

    The binding initializes this support once, when it receives its first array. If several threads pass their
    first arrays at the same time, one of them may hold the GIL while it waits for the initialization, which itself
    needs the GIL. This deadlock was observed with OpenVINO 2026.4.
    """
    _ = openvino.Tensor(np.zeros(1, np.float32)).data

"""Networks run by OpenVINO."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from freeloc._typing import Float32Array
from freeloc.errors import FreelocError
from freeloc.runtime.protocol import Canvas, InferencePrecision, usable_cores

__all__ = ["OpenVinoNetwork", "cpu_supports_bfloat16", "cpu_supports_int8", "load_openvino"]


def load_openvino() -> Any:
    """The openvino package.

    Raises:
        FreelocError: it cannot be loaded.
    """
    try:
        import openvino
    except ImportError as error:
        raise FreelocError(
            f"OpenVINO cannot be loaded ({error}): install it again or give --runtime torch"
        ) from error
    return openvino


def cpu_supports_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16, as far as OpenVINO is there to tell.

    Where it has none, bfloat16 is slower than float32.
    """
    return "BF16" in _capabilities()


def cpu_supports_int8() -> bool:
    """Whether this processor gains by int8 networks, as far as OpenVINO is there to tell."""
    return "INT8" in _capabilities()


def _capabilities() -> list[str]:
    try:
        openvino = load_openvino()
    except FreelocError:
        return []
    capabilities: list[str] = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return capabilities


def _meet_numpy(openvino: Any) -> None:
    """Let OpenVINO's binding set itself up for NumPy, in this thread.

    It does so once, when it first meets an array. Where several threads bring it their first arrays at once, one
    waits for the set-up while it holds the interpreter, which the set-up needs: a deadlock (seen with 2026.4).
    """
    _ = openvino.Tensor(np.zeros(1, np.float32)).data


class OpenVinoNetwork:
    """A graph compiled for the processor.

    Args:
        graph: an OpenVINO model, or the file of one.
        precision: arithmetic; "int8" for a graph that was quantized, whose other parts take the processor's best.
        streams: False puts all cores on one canvas, True gives every core a canvas of its own.
    """

    runtime = "openvino"
    batch = 1  # a processor is as fast on one canvas per core, and their sizes need not match

    def __init__(self, graph: Any, precision: InferencePrecision, *, streams: bool) -> None:
        openvino = load_openvino()
        best: InferencePrecision = "bfloat16" if cpu_supports_bfloat16() else "float32"
        self.precision: str = best if precision == "auto" else precision
        floats = best if self.precision == "int8" else self.precision
        hint = {"bfloat16": openvino.Type.bf16, "float32": openvino.Type.f32}[floats]
        lanes = usable_cores() if streams else 1
        settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": lanes}
        model = str(graph) if isinstance(graph, Path) else graph
        self._compiled = openvino.Core().compile_model(model, "CPU", settings)
        _meet_numpy(openvino)
        self._own = threading.local()
        self.threads = max(2, lanes)

    def __call__(self, canvas: Canvas) -> Float32Array:
        """See `freeloc.runtime.Network`."""
        return self.run(canvas)[0]

    def run(self, canvas: Canvas, *inputs: Float32Array) -> tuple[Float32Array, ...]:
        """See `freeloc.runtime.Network`."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        results = self._own.request.infer([canvas[None], *inputs])
        return tuple(results[output][0] for output in self._compiled.outputs)

    def run_many(
        self, canvases: Sequence[Canvas], inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        """See `freeloc.runtime.Network`."""
        each = [()] * len(canvases) if inputs is None else inputs
        return [self.run(canvas, *further) for canvas, further in zip(canvases, each, strict=True)]

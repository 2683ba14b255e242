"""Networks run by OpenVINO on the CPU."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FunctionType
from typing import Any, Final

import numpy as np

from freeloc._literals import InferencePrecision
from freeloc._log import get_logger
from freeloc._typing import Float32Array
from freeloc.runtime.compiled_cache import compile_with_cache
from freeloc.runtime.hardware import usable_cores
from freeloc.runtime.openvino_import import load_openvino, openvino_core, openvino_errors
from freeloc.runtime.processors import bfloat16_is_faster, explain_precision
from freeloc.runtime.protocol import Canvas, run_each

__all__ = ["OpenVinoNetwork"]

_log = get_logger(__name__)


class OpenVinoNetwork:
    """A graph compiled for the CPU.

    A process created by ``os.fork`` compiles the graph again, because the threads that run a compiled network are
    not copied: it would wait for them forever.

    Args:
        graph: an OpenVINO model, the path of its file, or a function that reads it.
        precision: arithmetic of the network. "int8" requires a quantized graph; its layers that are not quantized
            use the fastest float precision of the CPU.
        streams: see `freeloc.runtime.compile_network`.
        digest: hash of the graph, under which the compiled network is cached; None if it is not cached.
    """

    runtime = "openvino"
    batch = 1  # on a CPU, one canvas per core is as fast as a batch, and canvases may differ in size

    def __init__(
        self, graph: Any, precision: InferencePrecision, *, streams: int | None, digest: str | None = None
    ) -> None:
        openvino = load_openvino()
        best: InferencePrecision = "bfloat16" if bfloat16_is_faster("cpu") else "float32"
        self.precision: str = best if precision == "auto" else precision
        if precision == "auto":
            _log.info(explain_precision(best))
        float_precision = best if self.precision == "int8" else self.precision
        hint = {"bfloat16": openvino.Type.bf16, "float32": openvino.Type.f32}[float_precision]
        self.streams = usable_cores() if streams is None else min(streams, usable_cores())
        graph = str(graph) if isinstance(graph, Path) else graph
        self._read_graph: Callable[[], Any] = graph if isinstance(graph, FunctionType) else lambda: graph
        self._digest = digest
        self._settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": self.streams}
        self._compiling = threading.Lock()
        self._compile()
        self.threads = max(2, self.streams)
        _networks.add(self)

    def __call__(self, canvas: Canvas) -> Float32Array:
        """Implement `freeloc.runtime.Network`."""
        return self.run(canvas)[0]

    def run(self, canvas: Canvas, *extra_inputs: Float32Array) -> tuple[Float32Array, ...]:
        """Implement `freeloc.runtime.Network`."""
        if self._owner != os.getpid():
            self._compile_after_fork()
        requests = self._idle_requests
        try:
            request = requests.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        with openvino_errors("run the network", int8=self.precision == "int8"):
            results = request.infer([canvas[None], *extra_inputs])
        requests.put(request)
        return tuple(results[output][0] for output in self._compiled.outputs)

    def run_many(
        self, canvases: Sequence[Canvas], extra_inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        """Implement `freeloc.runtime.Network`."""
        return run_each(self.run, canvases, extra_inputs)

    def _compile(self) -> None:
        with openvino_errors("compile the network", int8=self.precision == "int8"):
            if self._digest is None:
                self._compiled = openvino_core().compile_model(self._read_graph(), "CPU", self._settings)
            else:
                self._compiled = compile_with_cache(self._read_graph, self._digest, self._settings)
        _initialize_numpy_binding(load_openvino())
        # One request for each thread that calls at the same time. Threads come and go, but requests stay, because
        # a new one would allocate its memory again.
        self._idle_requests: SimpleQueue[Any] = SimpleQueue()
        self._owner = os.getpid()

    def _compile_after_fork(self) -> None:
        with self._compiling:
            if self._owner != os.getpid():
                self._compile()

    def _keep_after_fork(self) -> None:
        """Keep what a fork has copied until the process is gone: deletion would end threads that do not exist."""
        self._compiling = threading.Lock()
        for inherited in (self._compiled, self._idle_requests):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _keep_all_after_fork() -> None:
    for network in list(_networks):
        network._keep_after_fork()  # noqa: SLF001 - a function of this class, called by Python after a fork


_networks: Final[weakref.WeakSet[OpenVinoNetwork]] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_all_after_fork)


def _initialize_numpy_binding(openvino: Any) -> None:
    """Initialize the NumPy support of OpenVINO's Python binding in this thread.

    The binding initializes this support once, when it receives its first array. If several threads pass their
    first arrays at the same time, one of them may hold the GIL while it waits for the initialization, which itself
    needs the GIL. This deadlock was observed with OpenVINO 2026.4.
    """
    _ = openvino.Tensor(np.zeros(1, np.float32)).data

"""Run an int8 network in a process of its own; see `freeloc.runtime.int8` for the reason."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from freeloc._typing import Float32Array
from freeloc.errors import MissingDependencyError, ModelError
from freeloc.runtime.frames import Frame, FrameKind
from freeloc.runtime.hardware import KERNEL_LIMIT, kernel_limit
from freeloc.runtime.protocol import Canvas, run_each
from freeloc.runtime.worker_process import WorkerEndedError, WorkerProcess

if TYPE_CHECKING:
    from freeloc.runtime.int8 import QuantizedGraph

__all__ = ["IsolatedNetwork"]

_VNNI: Final = "AVX512_CORE_VNNI"
_LOWER_LIMITS: Final = frozenset({"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE"})
"""Limits below VNNI; a user who has chosen one of them keeps it."""

_TRIES: Final = 2


class IsolatedNetwork:
    """An int8 network in a process of its own, which uses no instructions beyond VNNI.

    If the process ends unexpectedly, it is started again, once for every canvas. A process created by ``os.fork``
    starts a process of its own.

    Args:
        graph: the network.
        streams: see `freeloc.runtime.compile_network`.

    Raises:
        MissingDependencyError: OpenVINO cannot be imported.
        ModelError: OpenVINO cannot read the graph, or the process cannot be started.
    """

    runtime = "openvino"
    batch = 1

    def __init__(self, graph: QuantizedGraph, *, streams: int | None) -> None:
        self._graph = graph
        self._given_streams = streams
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._worker, facts = self._start()
        self.precision: str = facts["precision"]
        self.threads: int = facts["threads"]
        self.streams: int = facts["streams"]

    def __call__(self, canvas: Canvas) -> Float32Array:
        """Implement `freeloc.runtime.Network`."""
        return self.run(canvas)[0]

    def run(self, canvas: Canvas, *extra_inputs: Float32Array) -> tuple[Float32Array, ...]:
        """Implement `freeloc.runtime.Network`.

        Raises:
            ModelError: the process ended while it computed this canvas, and again after a restart.
        """
        for _ in range(_TRIES):
            try:
                reply = self._running().request(FrameKind.RUN, [canvas, *extra_inputs])
            except WorkerEndedError as error:
                reason = str(error)
            else:
                return tuple(_checked(reply).arrays)
        raise ModelError(
            f"the process that runs the int8 network ended unexpectedly, and again after a restart ({reason}): "
            "check that enough memory is free, or choose another precision",
            parameter="precision",
        )

    def run_many(
        self, canvases: Sequence[Canvas], extra_inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        """Implement `freeloc.runtime.Network`."""
        return run_each(self.run, canvases, extra_inputs)

    def _running(self) -> WorkerProcess:
        """Return the process, which is started again if it has ended."""
        if self._owner != os.getpid():
            # Forked: a thread that no longer exists may have held the lock.
            self._lock, self._owner = threading.Lock(), os.getpid()
        with self._lock:
            if self._worker.ended:
                self._worker, _ = self._start()
            return self._worker

    def _start(self) -> tuple[WorkerProcess, dict[str, Any]]:
        graph = [np.frombuffer(part, np.uint8) for part in (self._graph.structure, self._graph.weights)]
        try:
            worker = WorkerProcess(_environment())
            reply = worker.request(FrameKind.COMPILE, graph, {"streams": self._given_streams})
        except (OSError, WorkerEndedError) as error:
            raise ModelError(
                f"the process that runs the int8 network cannot be started ({error}): choose another precision",
                parameter="precision",
            ) from error
        return worker, _checked(reply).facts()


def _environment() -> dict[str, str]:
    chosen = kernel_limit().upper()
    return {**os.environ, KERNEL_LIMIT: chosen if chosen in _LOWER_LIMITS else _VNNI}


def _checked(reply: Frame) -> Frame:
    """Return a reply, or raise the exception that it describes."""
    if reply.kind is FrameKind.ERROR:
        _raise(reply.facts())
    return reply


def _raise(facts: dict[str, Any]) -> NoReturn:
    message: str = facts["message"]
    if facts["error"] == ModelError.__name__:
        raise ModelError(message, parameter=facts["parameter"])
    if facts["error"] == MissingDependencyError.__name__:
        raise MissingDependencyError(message)
    raise RuntimeError(message)

"""Interface of compiled networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from freeloc._literals import InferencePrecision, Precision, Runtime
from freeloc._typing import Float32Array
from freeloc.errors import ConfigurationError, check_choice

__all__ = ["Canvas", "Network", "check_runtime", "run_each"]

Canvas = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""


class Network(Protocol):
    """A compiled network, which several threads may call concurrently.

    Attributes:
        runtime: library that runs it, "torch" or "openvino".
        precision: "float32", "bfloat16" or "int8"; part of every feature-cache key.
        threads: number of threads that should call it concurrently to use the hardware fully.
        streams: number of canvases that it computes at the same time; further calls wait.
        batch: number of canvases of equal shape to pass to `run_many` at once; 1 if batching is not faster.
    """

    runtime: str
    precision: str
    threads: int
    streams: int
    batch: int

    def __call__(self, canvas: Canvas) -> Float32Array:
        """Return the (channels, rows, cols) float32 output for one (H, W, 3) uint8 RGB canvas."""
        ...

    def run(self, canvas: Canvas, *extra_inputs: Float32Array) -> tuple[Float32Array, ...]:
        """Return all outputs of a network whose appended module has extra inputs or several outputs.

        Args:
            canvas: (H, W, 3) uint8 RGB.
            extra_inputs: extra inputs of the appended module, in order.

        Returns:
            The outputs of the appended module in order, each without the batch axis.
        """
        ...

    def run_many(
        self, canvases: Sequence[Canvas], extra_inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        """Return the outputs of `run` for each of several canvases of equal shape.

        Args:
            canvases: any number of (H, W, 3) uint8 RGB canvases, all of the same shape.
            extra_inputs: extra inputs of the appended module for each canvas; None if it has none.

        Returns:
            The outputs for each canvas, which share no memory with those of other canvases. If extra inputs differ
            in size, an output may be larger than that of `run`; the values that `run` would return then come first
            along every axis.
        """
        ...


def run_each(
    run: Callable[..., tuple[Float32Array, ...]],
    canvases: Sequence[Canvas],
    extra_inputs: Sequence[tuple[Float32Array, ...]] | None,
) -> list[tuple[Float32Array, ...]]:
    """Implement `Network.run_many` for a network that computes one canvas at a time, by its method ``run``."""
    if extra_inputs is None:
        extra_inputs = [()] * len(canvases)
    return [run(canvas, *arrays) for canvas, arrays in zip(canvases, extra_inputs, strict=True)]


def check_runtime(runtime: str, precision: str, *, allow_int8: bool = False) -> None:
    """Check that a runtime and a precision exist and can be combined.

    Args:
        runtime: one of `Runtime`.
        precision: one of `Precision`.
        allow_int8: whether to accept "int8" as well; see `InferencePrecision`.

    Raises:
        ConfigurationError: one of them is unknown, or they cannot be combined.
    """
    check_choice("runtime", runtime, Runtime)
    check_choice("precision", precision, InferencePrecision if allow_int8 else Precision)
    if precision == "int8" and runtime == "torch":
        raise ConfigurationError(
            "precision is 'int8' and runtime is 'torch': only OpenVINO runs int8 networks; choose another runtime",
            parameter="runtime",
        )

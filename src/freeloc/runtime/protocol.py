"""What a compiled network is, and the words in which one is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, get_args

import numpy as np
import numpy.typing as npt

from freeloc._choices import InferencePrecision, Precision, Runtime
from freeloc._typing import Float32Array
from freeloc.errors import FreelocError

__all__ = [
    "Canvas",
    "InferencePrecision",
    "Network",
    "Precision",
    "Runtime",
    "check_runtime",
    "gpu_available",
    "usable_cores",
]

Canvas = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

_MOST_STREAMS = 16


class Network(Protocol):
    """A compiled network; several threads may call it at once.

    Attributes:
        runtime: who executes it, "torch" or "openvino".
        precision: "float32", "bfloat16" or "int8"; part of every feature-cache key.
        threads: how many threads should call it at once to keep the machine busy.
        batch: how many canvases of one shape it likes to be given at once, see `run_many`; 1 where that gains
            nothing.
    """

    runtime: str
    precision: str
    threads: int
    batch: int

    def __call__(self, canvas: Canvas) -> Float32Array:
        """(H, W, 3) uint8 RGB canvas → (channels, rows, cols) float32."""
        ...

    def run(self, canvas: Canvas, *inputs: Float32Array) -> tuple[Float32Array, ...]:
        """Everything a tail with more inputs or outputs than one gives.

        Args:
            canvas: (H, W, 3) uint8 RGB.
            inputs: what the tail reads beside the features, in its order; given to it as they are.

        Returns:
            The tail's outputs in its order, each without its first axis, the batch.
        """
        ...

    def run_many(
        self, canvases: Sequence[Canvas], inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        """What `run` gives for each of several canvases of one shape.

        Args:
            canvases: any number of (H, W, 3) uint8 RGB, all of one shape.
            inputs: for each canvas what the tail reads beside the features; None where it reads nothing.

        Returns:
            For each canvas its outputs, in memory of their own. Where further inputs differ in size, an output may
            be larger than `run`'s, whose values are then its first ones along every axis.
        """
        ...


def check_runtime(runtime: str, precision: str, *, search: bool = False) -> None:
    """See that runtime and precision are ones there are.

    Args:
        runtime: see `Runtime`.
        precision: see `Precision`.
        search: whether int8 may be asked for as well, as `InferencePrecision` has it.

    Raises:
        FreelocError: one is unknown, or they exclude each other.
    """
    if runtime not in {"auto", "torch", "openvino"}:
        raise FreelocError(f"--runtime {runtime} is unknown: choose auto, torch or openvino")
    *others, last = get_args(InferencePrecision if search else Precision)
    if precision not in {*others, last}:
        raise FreelocError(f"--precision {precision} is unknown: choose {', '.join(others)} or {last}")
    if precision == "int8" and runtime == "torch":
        raise FreelocError("--precision int8 runs in OpenVINO: leave --runtime torch out")


def gpu_available() -> bool:
    """Whether torch has a CUDA GPU; torch is not even loaded where no driver is."""
    drivers = ("/dev/nvidiactl", "/dev/dxg")  # Linux, and Linux inside Windows
    if os.name == "posix" and not any(Path(driver).exists() for driver in drivers):
        return False
    import torch

    return torch.cuda.is_available()


def usable_cores() -> int:
    """Cores this process may use, but no more streams than memory likes."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MOST_STREAMS)

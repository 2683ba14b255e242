"""What training needs to know of the device it computes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["autocast", "deterministic", "sharing_cores", "to_device"]

_CORES_PER_STEP_THREAD = 4
"""Of the work on an image, a step of the head is about a sixth and the backbone the rest. One thread of torch for
every four cores leaves the steps time in hand, so that they never keep the backbone waiting."""


@contextmanager
def sharing_cores(cores: int) -> Iterator[None]:
    """Inside, torch leaves most of ``cores`` to the threads that make features meanwhile.

    A step that spreads over all cores would wait at each of its barriers for threads that the backbone has
    displaced,
    and spin there in the backbone's time.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, cores // _CORES_PER_STEP_THREAD)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def autocast(device: torch.device, *, enabled: bool) -> torch.autocast:
    """Compute products in bfloat16 inside this context; weights, sums and gradients of weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@contextmanager
def deterministic() -> Iterator[None]:
    """Inside, cuDNN takes only ways to compute that give the same every time, and does not choose by timing."""
    settings = torch.backends.cudnn
    before = settings.deterministic, settings.benchmark
    settings.deterministic, settings.benchmark = True, False
    try:
        yield
    finally:
        settings.deterministic, settings.benchmark = before


def to_device(values: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """An array as a tensor there, without a copy where that is possible.

    To a GPU it goes through pinned memory, so that the copy runs beside the computation before it.
    """
    tensor: Tensor = torch.from_numpy(_writeable(values))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _writeable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # A tensor over read-only memory, a mapped file, could be written through: torch warns, the program copies.
    return values if values.flags.writeable else values.copy()

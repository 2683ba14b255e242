"""Helpers for computing on a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["autocast", "deterministic", "share_cores", "to_device"]

_CORES_PER_STEP_THREAD = 4
"""Number of cores per torch thread. A step of the head is about a sixth of the work on an image, and the backbone
the rest, so with one thread for every four cores the steps are never slower than the backbone."""


@contextmanager
def share_cores(cores: int) -> Iterator[None]:
    """Let torch use only a few of ``cores``, and leave the others to the threads that compute features.

    The threads of a step on all cores would be displaced by the backbone, and would spin at each barrier, in time
    that the backbone needs.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, cores // _CORES_PER_STEP_THREAD)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def autocast(device: torch.device, *, enabled: bool) -> torch.autocast:
    """Compute products in bfloat16; weights, sums and gradients of weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@contextmanager
def deterministic() -> Iterator[None]:
    """Let cuDNN use only deterministic algorithms, and not choose among them by timing."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def to_device(values: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """Convert an array to a tensor on a device, without a copy if possible.

    A GPU reads it from pinned memory, so that the transfer overlaps with the computation before it.
    """
    tensor: Tensor = torch.from_numpy(_writeable(values))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _writeable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # torch warns about tensors on read-only memory, such as a mapped file, so that memory is copied.
    return values if values.flags.writeable else values.copy()

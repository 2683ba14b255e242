"""Device settings for training: threads, autocast, determinism and transfers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["autocast", "deterministic", "share_cores", "to_device", "use_threads"]

_CORES_PER_STEP_THREAD = 4
"""Number of cores per torch thread. The head's training step accounts for about a sixth of the work per image, and
the backbone for the rest, so with one torch thread for every four cores, this step is not the bottleneck."""


@contextmanager
def share_cores(cores: int) -> Iterator[None]:
    """Limit torch to a few of the ``cores`` cores, and leave the others to the threads that compute features.

    If torch used all cores, the backbone's threads would preempt some of torch's threads. The other torch threads
    would wait for these in busy loops, which would slow down the backbone.
    """
    with use_threads(max(1, min(torch.get_num_threads(), cores // _CORES_PER_STEP_THREAD))):
        yield


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Within the context, let torch compute in ``count`` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def autocast(device: torch.device, *, enabled: bool) -> torch.autocast:
    """Return a context that computes products in bfloat16; weights, sums and weight gradients stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@contextmanager
def deterministic() -> Iterator[None]:
    """Within the context, restrict cuDNN to deterministic algorithms and disable its benchmark mode."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def to_device(values: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """Convert an array to a tensor on a device, without copying if possible.

    For a GPU, the array is transferred from pinned memory, so the transfer overlaps with earlier computations.
    """
    tensor: Tensor = torch.from_numpy(_writeable(values))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _writeable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # torch warns when a tensor shares read-only memory, such as a mapped file, so read-only arrays are copied.
    return values if values.flags.writeable else values.copy()

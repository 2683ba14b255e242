"""Detect GPUs, usable CPU cores and natively supported precisions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from freeloc._literals import Precision, Runtime
from freeloc.errors import MissingDependencyError
from freeloc.runtime.openvino_import import load_openvino

if TYPE_CHECKING:
    import torch

__all__ = [
    "cpu_supports_bfloat16",
    "cpu_supports_int8",
    "gpu_available",
    "native_bfloat16",
    "torch_device",
    "usable_cores",
]

_MAX_CORES: Final = 16
"""Upper limit of `usable_cores`. Each core may process its own canvas, which takes memory."""


def gpu_available() -> bool:
    """Return whether torch can use a CUDA GPU; torch is imported only if a driver is present."""
    drivers = ("/dev/nvidiactl", "/dev/dxg")  # Linux, and Linux on Windows (WSL)
    if os.name == "posix" and not any(Path(driver).exists() for driver in drivers):
        return False
    import torch

    return torch.cuda.is_available()


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use, at most 16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MAX_CORES)


def cpu_supports_bfloat16() -> bool:
    """Return whether this CPU has bfloat16 instructions, without which bfloat16 is slower than float32.

    OpenVINO detects them; the result is False if it is not installed.
    """
    return "BF16" in _cpu_capabilities()


def cpu_supports_int8() -> bool:
    """Return whether int8 networks are faster on this CPU; False if OpenVINO is not installed."""
    return "INT8" in _cpu_capabilities()


def native_bfloat16(device: str) -> bool:
    """Return whether the device "cuda" or "cpu" multiplies bfloat16 in hardware; otherwise, float32 is faster."""
    if device == "cuda":
        import torch

        return bool(torch.cuda.is_bf16_supported())
    return cpu_supports_bfloat16()


def torch_device(precision: Precision, runtime: Runtime = "auto") -> tuple[torch.device, bool]:
    """Return the device on which torch computes, for example in training, and whether it uses bfloat16.

    Args:
        precision: "float32" disables bfloat16; otherwise bfloat16 is used where it is faster.
        runtime: "openvino" selects the CPU.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() and runtime != "openvino" else "cpu")
    return device, precision != "float32" and native_bfloat16(device.type)


def _cpu_capabilities() -> list[str]:
    try:
        openvino = load_openvino()
    except MissingDependencyError:
        return []
    capabilities: list[str] = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return capabilities

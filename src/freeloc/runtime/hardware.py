"""Detect GPUs, usable CPU cores, natively supported precisions and instructions that require special care."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

from freeloc._literals import Precision, Runtime
from freeloc.errors import ConfigurationError, MissingDependencyError
from freeloc.runtime.openvino_import import openvino_core

if TYPE_CHECKING:
    import torch

__all__ = [
    "cpu_has_amx",
    "cpu_supports_bfloat16",
    "cpu_supports_int8",
    "cuda_usable",
    "forked_with_cuda",
    "gpu_available",
    "native_bfloat16",
    "torch_device",
    "usable_cores",
]

_X86: Final = frozenset({"x86_64", "amd64", "i386", "i586", "i686", "x86"})
_CPU_INFO: Final = Path("/proc/cpuinfo")
_AMX_FLAGS: Final = frozenset({"amx_tile", "amx_int8"})

_MAX_CORES: Final = 16
"""Upper limit of `usable_cores`. Each core may process its own canvas, which takes memory."""


def gpu_available() -> bool:
    """Return whether torch can use a CUDA GPU; torch is imported only if a driver is present."""
    drivers = ("/dev/nvidiactl", "/dev/dxg")  # Linux, and Linux on Windows (WSL)
    if os.name == "posix" and not any(Path(driver).exists() for driver in drivers):
        return False
    import torch

    return torch.cuda.is_available()


def cuda_usable() -> bool:
    """Return whether torch can use a CUDA GPU in this process.

    Raises:
        ConfigurationError: this process was forked after torch had used the GPU, which CUDA does not support.
    """
    import torch

    if getattr(torch.cuda, "_is_in_bad_fork", lambda: False)():
        raise forked_with_cuda()
    return torch.cuda.is_available()


def forked_with_cuda() -> ConfigurationError:
    """Return the error for a GPU used in a process that was forked after torch had used it."""
    return ConfigurationError(
        "this process was forked after torch had used the GPU, and CUDA does not work in such a process: start "
        "processes with the method 'spawn' or 'forkserver', or use the GPU only after the fork",
        parameter="runtime",
    )


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
    """Return whether int8 networks are faster on this CPU; False if they cannot run.

    They cannot run if OpenVINO is not installed. On a CPU with AMX, they require a Python interpreter as well.
    """
    from freeloc.runtime.worker_process import worker_executable

    return "INT8" in _cpu_capabilities() and (worker_executable() is not None or not cpu_has_amx())


def cpu_has_amx() -> bool:
    """Return whether this CPU has Intel's instructions for matrices of 8-bit integers (AMX).

    On Linux, the kernel lists the instructions. Elsewhere, CPUs without bfloat16 are excluded, because every CPU
    with AMX has it; for the others, torch is asked. If torch does not know either, the result is True, because a
    network that runs as AMX requires it (`freeloc.runtime.int8`) is sound on every CPU.
    """
    if platform.machine().lower() not in _X86:
        return False
    flags = _kernel_flags()
    if flags is not None:
        return not _AMX_FLAGS.isdisjoint(flags)
    if not cpu_supports_bfloat16():
        return False
    import torch

    try:
        return any(torch.cpu.get_capabilities().get(flag, False) for flag in _AMX_FLAGS)
    except AttributeError:  # before torch 2.11
        return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)())


def _kernel_flags() -> list[str] | None:
    """Return the CPU's instruction sets as Linux lists them; None if they are not listed."""
    try:
        with _CPU_INFO.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                name, _, values = line.partition(":")
                if name.strip() == "flags":
                    return values.split()
    except OSError:
        pass
    return None


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

    Raises:
        ConfigurationError: this process was forked after torch had used the GPU.
    """
    import torch

    device = torch.device("cuda" if runtime != "openvino" and cuda_usable() else "cpu")
    return device, precision != "float32" and native_bfloat16(device.type)


def _cpu_capabilities() -> list[str]:
    try:
        core = openvino_core()
    except MissingDependencyError:
        return []
    capabilities: list[str] = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return capabilities

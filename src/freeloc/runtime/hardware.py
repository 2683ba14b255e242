"""Detect GPUs, usable CPU cores, and the instructions of the CPU on which the choice of a precision depends."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any, Final

from freeloc.errors import ConfigurationError, MissingDependencyError
from freeloc.runtime.openvino_import import openvino_core

__all__ = [
    "KERNEL_LIMIT",
    "cpu_flags",
    "cpu_has_amx",
    "cpu_has_vnni",
    "cpu_name",
    "cpu_supports_bfloat16",
    "cpu_supports_int8",
    "cpu_vendor",
    "cuda_usable",
    "forked_with_cuda",
    "gpu_available",
    "is_x86",
    "kernel_limit",
    "usable_cores",
]

KERNEL_LIMIT: Final = "ONEDNN_MAX_CPU_ISA"
"""Environment variable that limits the instructions that OpenVINO uses."""

_OLD_KERNEL_LIMIT: Final = "DNNL_MAX_CPU_ISA"
"""Earlier name of the variable, which is read if the other one is not set."""

_X86: Final = frozenset({"x86_64", "amd64", "i386", "i586", "i686", "x86"})
_CPU_INFO: Final = Path("/proc/cpuinfo")
_AMX_FLAGS: Final = frozenset({"amx_tile", "amx_int8"})
_VNNI_FLAGS: Final = frozenset({"avx512_vnni", "avx_vnni"})
_VNNI_WITHIN: Final = {
    **dict.fromkeys(("sse41", "avx", "avx2", "avx512_core"), frozenset[str]()),
    **dict.fromkeys(("avx2_vnni", "avx2_vnni_2"), frozenset({"avx_vnni"})),
    **dict.fromkeys(("avx512_core_vnni", "avx512_core_bf16"), frozenset({"avx512_vnni"})),
}
"""The VNNI instructions that OpenVINO uses within a limit; all others allow both."""

_VENDORS: Final = {"GenuineIntel": "intel", "AuthenticAMD": "amd"}

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


def is_x86() -> bool:
    """Return whether this CPU is compatible with Intel's."""
    return platform.machine().lower() in _X86


def cpu_vendor() -> str:
    """Return the vendor of this CPU: "intel", "amd", or "" for any other or if it is not known.

    On Linux, the kernel names it. Elsewhere, it follows from the name of the CPU, which OpenVINO knows.
    """
    vendor = _kernel_info().get("vendor_id")
    if vendor is not None:
        return _VENDORS.get(vendor, "")
    return next((vendor for vendor in _VENDORS.values() if vendor in cpu_name().lower()), "")


def cpu_name() -> str:
    """Return the name of this CPU, which OpenVINO knows, or else of its architecture."""
    return str(_cpu_property("FULL_DEVICE_NAME", platform.machine()))


def cpu_flags() -> str:
    """Return the instruction sets of this CPU, separated by blanks, as Linux lists them; "" on other systems."""
    return _kernel_info().get("flags", "")


def kernel_limit() -> str:
    """Return the limit of the instructions that OpenVINO uses; "" if there is none."""
    return os.environ.get(KERNEL_LIMIT) or os.environ.get(_OLD_KERNEL_LIMIT, "")


def cpu_supports_bfloat16() -> bool:
    """Return whether this CPU has bfloat16 instructions, without which bfloat16 is slower than float32.

    OpenVINO detects them; the result is False if it is not installed.
    """
    return "BF16" in _cpu_property("OPTIMIZATION_CAPABILITIES", ())


def cpu_supports_int8() -> bool:
    """Return whether int8 networks run correctly on this CPU.

    They require OpenVINO and instructions for sums of products of 8-bit integers (VNNI), without which the sums
    overflow at 16 bits, and a limit of OpenVINO's instructions (`kernel_limit`) must not exclude these. On a CPU
    with AMX, they require a Python interpreter as well.
    """
    from freeloc.runtime.worker_process import worker_executable

    supported = "INT8" in _cpu_property("OPTIMIZATION_CAPABILITIES", ()) and cpu_has_vnni()
    return supported and (worker_executable() is not None or not cpu_has_amx())


def cpu_has_vnni() -> bool:
    """Return whether this CPU has instructions for sums of products of 8-bit integers (VNNI) for OpenVINO.

    A limit of OpenVINO's instructions may exclude them (`kernel_limit`). On Linux, the kernel lists the
    instructions. Elsewhere, torch is asked; if it does not know, the result is False.
    """
    usable = _VNNI_WITHIN.get(kernel_limit().lower(), _VNNI_FLAGS)
    return is_x86() and _has_any(usable, unknown=False)


def cpu_has_amx() -> bool:
    """Return whether this CPU has Intel's instructions for matrices of 8-bit integers (AMX).

    On Linux, the kernel lists the instructions. Elsewhere, CPUs without bfloat16 are excluded, because every CPU
    with AMX has it; for the others, torch is asked. If torch does not know either, the result is True, because a
    network that runs as AMX requires it (`freeloc.runtime.int8`) is sound on every CPU.
    """
    if not is_x86() or ("flags" not in _kernel_info() and not cpu_supports_bfloat16()):
        return False
    return _has_any(_AMX_FLAGS, unknown=True)


def _has_any(flags: frozenset[str], *, unknown: bool) -> bool:
    """Return whether this CPU has at least one of the instruction sets, and ``unknown`` if nothing lists them."""
    listed = _kernel_info().get("flags")
    if listed is not None:
        return not flags.isdisjoint(listed.split())
    import torch

    try:
        capabilities = torch.cpu.get_capabilities()
    except AttributeError:  # before torch 2.11
        return unknown
    return any(capabilities.get(flag, False) for flag in flags)


def _kernel_info() -> dict[str, str]:
    """Return what Linux tells about the first CPU; empty on other systems."""
    found: dict[str, str] = {}
    try:
        with _CPU_INFO.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if not name.strip():
                    break
                found[name.strip()] = value.strip()
    except OSError:
        pass
    return found


def _cpu_property(name: str, default: Any) -> Any:
    """Return what OpenVINO tells about this CPU, or ``default`` if OpenVINO is not installed."""
    try:
        return openvino_core().get_property("CPU", name)
    except MissingDependencyError:
        return default

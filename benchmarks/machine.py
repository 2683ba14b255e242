"""Description of the machine and its peak speeds, measured in the same run as everything else.

Fractions of the peak are more informative than milliseconds: they carry over to other machines, and they
reveal whether the machine was busy. Host names and paths are not recorded.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from freeloc.runtime import bfloat16_is_faster
from freeloc.runtime.hardware import cpu_supports_bfloat16

__all__ = [
    "best_of",
    "describe",
    "is_same_processor",
    "machine_name",
    "measure_peaks",
    "peak_gflops",
    "processor_flags",
    "torch_peak",
    "usable_cores",
]

_FLAGS = (
    "avx2",
    "fma",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
)
"""Flags of /proc/cpuinfo that determine how fast a network runs."""

_KINDS = {
    "AMX": {"amx_int8", "amx_bf16"},
    "bfloat16": {"avx512_bf16"},
    "VNNI": {"avx512_vnni", "avx_vnni"},
}
"""Flags that tell apart the kinds of processor, the fastest kind first."""

_NUMBERS = {"family": "cpu family", "model": "model"}
"""Numbers by which Intel and AMD tell apart their generations of processors, and their names in /proc/cpuinfo."""

_PACKAGES = (
    "freeloc",
    "torch",
    "openvino",
    "numpy",
    "pillow",
    "torchcam",
    "grad-cam",
    "onnxruntime",
    "ultralytics",
)

_CHAIN = 4
"""Number of chained products, so that the transfer of input and output is negligible."""

_COPY_BYTES = 512 * 2**20


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_flags() -> tuple[str, ...]:
    """Return the relevant instruction sets of the processor; empty if the operating system does not list them."""
    for key, value in _cpuinfo():
        if key == "flags":
            available = set(value.split())
            return tuple(flag for flag in _FLAGS if flag in available)
    return ()


def describe() -> dict[str, Any]:
    """Return processor, cores and versions as JSON values."""
    facts = dict(reversed(_cpuinfo()))  # of the first core
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": facts.get("model name", platform.machine()),
        "cores": usable_cores(),
        "flags": list(processor_flags()),
        **{name: int(facts[key]) for name, key in _NUMBERS.items() if facts.get(key, "").isdigit()},
        "system": platform.system(),
        "versions": versions,
    }


def machine_name(machine: Mapping[str, Any], *, int8_only: bool = False) -> str:
    """Return the name of a machine in the results, for example "AMD EPYC with bfloat16, 2 cores".

    Different processors are sold under one name; those with other instructions for networks are told apart.

    Args:
        machine: what `describe` returned.
        int8_only: whether the processor was held to int8 instructions.
    """
    processor = re.sub(r"\s*\((?:R|TM)\)|\s+CPU\b|\s+@.*", "", machine["processor"])
    flags = set(machine["flags"])
    kind = next((f" with {name}" for name, wanted in _KINDS.items() if wanted & flags), "")
    return f"{processor}{' held to VNNI' if int8_only else kind}, {machine['cores']} cores"


def is_same_processor(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two descriptions with the same `machine_name` are of the same type of processor.

    Virtual machines report processors under general names, such as "AMD EPYC". Their instruction sets must be the
    same, and so must family and model, unless one of the descriptions lacks them.

    Args:
        one: what `describe` returned, or an earlier version of it, which did not record family and model.
        other: the same of the other machine.
    """
    numbers = [[machine.get(name) for name in _NUMBERS] for machine in (one, other)]
    return set(one["flags"]) == set(other["flags"]) and (
        any(None in pair for pair in numbers) or numbers[0] == numbers[1]
    )


def measure_peaks(*, repeats: int = 5, side: int = 2048, copy_bytes: int = _COPY_BYTES) -> dict[str, Any]:
    """Measure the peak speeds of large matrix products and of memory copies, each the best of several runs.

    Args:
        repeats: number of runs.
        side: rows and columns of the matrices.
        copy_bytes: size of the copied block.

    Returns:
        GFLOP/s of the product for each runtime and precision (bfloat16 only if the processor multiplies it
        natively), and GB/s of the copy, counting bytes read and bytes written.
    """
    torch.set_num_threads(usable_cores())
    precisions = ["float32", *(["bfloat16"] if cpu_supports_bfloat16() else [])]
    operations = 2 * _CHAIN * side**3
    products = {
        runtime: {
            precision: operations / _best(create(precision, side), repeats) / 1e9 for precision in precisions
        }
        for runtime, create in (("openvino", _openvino_product), ("torch", _torch_product))
    }
    source = torch.ones(copy_bytes // 4)
    target = torch.empty_like(source)
    seconds = _best(lambda: target.copy_(source), repeats)
    return {
        "matrix_side": side,
        "gflops": {
            runtime: {precision: round(value, 1) for precision, value in speeds.items()}
            for runtime, speeds in products.items()
        },
        "copy_gbytes_per_second": round(2 * copy_bytes / seconds / 1e9, 1),
    }


def torch_peak(device: torch.device, *, repeats: int, side: int) -> dict[str, float]:
    """Return GFLOP/s of torch's matrix product on a device for each precision, the best of several runs."""
    precisions = ["float32", *(["bfloat16"] if bfloat16_is_faster(device.type) else [])]
    operations = 2 * _CHAIN * side**3
    seconds = {precision: _best(_torch_product(precision, side, device), repeats) for precision in precisions}
    return {precision: float(f"{operations / best / 1e9:.4g}") for precision, best in seconds.items()}


def peak_gflops(peaks: dict[str, Any], precision: str) -> float:
    """Return the higher GFLOP/s of the two runtimes in a precision, or in float32 if it was not measured."""
    return max(float(speeds.get(precision, speeds["float32"])) for speeds in peaks["gflops"].values())


def best_of(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the higher value of two measurements of the peaks for every figure."""
    gflops = {
        runtime: {
            precision: max(value, second["gflops"][runtime][precision]) for precision, value in speeds.items()
        }
        for runtime, speeds in first["gflops"].items()
    }
    copy_speed = max(first["copy_gbytes_per_second"], second["copy_gbytes_per_second"])
    return {**first, "gflops": gflops, "copy_gbytes_per_second": copy_speed}


def _cpuinfo() -> list[tuple[str, str]]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return []
    lines = (line.partition(":") for line in path.read_text("utf-8").splitlines())
    return [(key.strip(), value.strip()) for key, colon, value in lines if colon]


def _best(task: Callable[[], object], repeats: int) -> float:
    task()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _matrix(side: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    # Scaled so that the values of a chain of products neither grow nor vanish.
    values = np.random.default_rng(0).standard_normal((side, side), dtype=np.float32)
    return values / np.float32(side**0.5)


def _openvino_product(precision: str, side: int) -> Callable[[], object]:
    from freeloc.runtime.openvino_import import load_openvino

    openvino = load_openvino()
    operators = openvino.opset13
    parameter = operators.parameter([side, side], openvino.Type.f32)
    node = parameter
    for _ in range(_CHAIN):
        node = operators.matmul(node, operators.constant(_matrix(side)), False, False)
    hint = {"bfloat16": openvino.Type.bf16, "float32": openvino.Type.f32}[precision]
    compiled = openvino.Core().compile_model(
        openvino.Model([node], [parameter]), "CPU", {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1}
    )
    request, values = compiled.create_infer_request(), _matrix(side)
    return lambda: request.infer([values], share_inputs=True, share_outputs=True)


def _torch_product(precision: str, side: int, device: torch.device | None = None) -> Callable[[], object]:
    device = device or torch.device("cpu")
    matrix = torch.from_numpy(_matrix(side)).to(device, getattr(torch, precision))

    def multiply() -> object:
        values = matrix
        for _ in range(_CHAIN):
            values = values @ matrix
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return values

    return multiply

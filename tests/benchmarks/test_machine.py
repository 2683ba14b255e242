"""The peaks are plausible, and do not identify the machine."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.machine import (
    _openvino_product,
    _torch_product,
    best_of,
    describe,
    measure_peaks,
    peak_gflops,
    processor_flags,
)
from freeloc.runtime.hardware import cpu_supports_bfloat16


@pytest.fixture(scope="module")
def peaks() -> dict[str, Any]:
    return measure_peaks(repeats=1, side=128, copy_bytes=2**20)


def test_every_runtime_has_a_peak(peaks: dict[str, Any]) -> None:
    native = cpu_supports_bfloat16()
    for speeds in peaks["gflops"].values():
        assert speeds["float32"] > 0
        assert ("bfloat16" in speeds) == native
    assert peaks["copy_gbytes_per_second"] > 0
    assert peaks["matrix_side"] == 128


def test_both_runtimes_multiply_the_same_matrices() -> None:
    found: Any = _openvino_product("float32", 64)()
    expected: Any = _torch_product("float32", 64)()
    assert torch.allclose(torch.from_numpy(found[0]), expected, atol=1e-4)


def test_the_higher_of_two_peaks_is_returned() -> None:
    peaks: dict[str, Any] = {
        "gflops": {"openvino": {"float32": 90.0, "bfloat16": 700.0}, "torch": {"float32": 100.0}}
    }
    assert peak_gflops(peaks, "float32") == 100
    assert peak_gflops(peaks, "bfloat16") == 700


def test_the_best_figures_of_two_measurements_are_returned() -> None:
    busy = {"matrix_side": 8, "gflops": {"torch": {"float32": 9.0}}, "copy_gbytes_per_second": 7.0}
    free = {"matrix_side": 8, "gflops": {"torch": {"float32": 90.0}}, "copy_gbytes_per_second": 5.0}
    expected = {"matrix_side": 8, "gflops": {"torch": {"float32": 90.0}}, "copy_gbytes_per_second": 7.0}
    assert best_of(busy, free) == best_of(free, busy) == expected


def test_no_host_name_and_no_path_is_recorded(peaks: dict[str, Any]) -> None:
    text = json.dumps({**describe(), **peaks})
    assert str(Path.cwd()) not in text
    assert str(Path.home()) not in text
    if len(platform.node()) > 4:
        assert platform.node() not in text
    assert describe()["cores"] >= 1


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="the system has no /proc/cpuinfo")
def test_flags_are_those_of_the_processor() -> None:
    text = Path("/proc/cpuinfo").read_text("utf-8")
    assert all(flag in text for flag in processor_flags())

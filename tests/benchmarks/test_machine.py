"""The ceiling is measured, and says nothing about whose machine it is."""

import json
import platform
from pathlib import Path

import pytest
import torch

from benchmarks.machine import (
    _openvino_product,
    _torch_product,
    best_peak,
    describe,
    highest,
    measure_ceiling,
    processor_flags,
)
from freeloc.runtime import native_bfloat16


@pytest.fixture(scope="module")
def ceiling() -> dict[str, object]:
    return measure_ceiling(repeats=1, side=128, copy_bytes=2**20)


def test_every_runtime_has_a_peak(ceiling: dict) -> None:
    native = native_bfloat16("cpu")
    for found in ceiling["gflops"].values():
        assert found["float32"] > 0
        assert ("bfloat16" in found) == native
    assert ceiling["copy_gbytes_per_second"] > 0
    assert ceiling["matrix_side"] == 128


def test_the_chain_of_products_is_one() -> None:
    """Both runtimes multiply the same matrices, so they are timed at the same work."""
    made = [make("float32", 64)() for make in (_openvino_product, _torch_product)]
    found, expected = torch.from_numpy(made[0][0]), made[1]
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_higher_of_two_peaks_counts() -> None:
    ceiling = {"gflops": {"openvino": {"float32": 90.0, "bfloat16": 700.0}, "torch": {"float32": 100.0}}}
    assert best_peak(ceiling, "float32") == 100
    assert best_peak(ceiling, "bfloat16") == 700


def test_of_two_measurements_the_better_figures_count() -> None:
    busy = {"matrix_side": 8, "gflops": {"torch": {"float32": 9.0}}, "copy_gbytes_per_second": 7.0}
    free = {"matrix_side": 8, "gflops": {"torch": {"float32": 90.0}}, "copy_gbytes_per_second": 5.0}
    expected = {"matrix_side": 8, "gflops": {"torch": {"float32": 90.0}}, "copy_gbytes_per_second": 7.0}
    assert highest(busy, free) == highest(free, busy) == expected


def test_no_host_and_no_path_is_written_down(ceiling: dict) -> None:
    text = json.dumps({**describe(), **ceiling})
    assert str(Path.cwd()) not in text
    assert str(Path.home()) not in text
    if len(platform.node()) > 4:
        assert platform.node() not in text
    assert describe()["cores"] >= 1


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="the system does not tell")
def test_flags_are_those_of_the_processor() -> None:
    told = Path("/proc/cpuinfo").read_text("utf-8")
    assert all(flag in told for flag in processor_flags())

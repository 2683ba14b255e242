"""The peaks are plausible, and do not identify the machine."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import machine
from benchmarks.machine import (
    _openvino_product,
    _torch_product,
    best_of,
    describe,
    is_same_processor,
    machine_name,
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


@pytest.mark.parametrize(
    ("processor", "flags", "name"),
    [
        ("AMD EPYC", ["avx2", "avx512_vnni", "avx512_bf16"], "AMD EPYC with bfloat16, 2 cores"),
        (
            "Intel(R) Xeon(R) Processor",
            ["avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"],
            "Intel Xeon Processor with AMX, 2 cores",
        ),
        ("Intel(R) Core(TM) i7-1185G7 @ 3.00GHz", ["avx512_vnni"], "Intel Core i7-1185G7 with VNNI, 2 cores"),
        ("Intel(R) Core(TM) i5-7200U CPU @ 2.50GHz", ["avx2"], "Intel Core i5-7200U, 2 cores"),
        ("arm64", [], "arm64, 2 cores"),
    ],
)
def test_the_name_of_a_machine_tells_its_kind(processor: str, flags: list[str], name: str) -> None:
    assert machine_name({"processor": processor, "cores": 2, "flags": flags}) == name


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="the system has no /proc/cpuinfo")
def test_family_and_model_are_those_of_the_first_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nflags\t\t: avx2\n"
    (tmp_path / "cpuinfo").write_text(f"{text}\nprocessor\t: 1\nmodel\t\t: 99\n")
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "cpuinfo")
    found = describe()
    assert (found["processor"], found["family"], found["model"]) == ("AMD EPYC", 25, 17)
    assert found["flags"] == ["avx2"]
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nCPU part\t: 0xd0c\n")
    assert not {"family", "model"} & describe().keys()


def test_processors_with_one_name_are_told_apart() -> None:
    zen4 = {"flags": ["avx512_vnni", "avx512_bf16"], "family": 25, "model": 17}
    zen5 = {"flags": ["avx512_bf16", "avx512_vnni"], "family": 26, "model": 2}
    earlier = {"flags": ["avx512_vnni", "avx512_bf16"]}
    assert is_same_processor(zen4, zen4)
    assert not is_same_processor(zen4, zen5)
    assert not is_same_processor(zen4, {**zen4, "model": 18})
    assert is_same_processor(zen4, earlier)
    assert is_same_processor(earlier, zen5)
    assert not is_same_processor(zen5, {"flags": ["avx_vnni", "avx512_vnni", "avx512_bf16"]})


def test_a_processor_held_to_int8_is_another_machine() -> None:
    facts = {"processor": "AMD EPYC", "cores": 2, "flags": ["avx512_vnni", "avx512_bf16"]}
    assert machine_name(facts, int8_only=True) == "AMD EPYC held to VNNI, 2 cores"

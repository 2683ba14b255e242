"""Detection of hardware capabilities."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from freeloc.errors import ConfigurationError
from freeloc.runtime import compile_network, hardware, torch_device
from freeloc.runtime.hardware import cpu_has_amx, cpu_has_vnni, cpu_supports_int8, cpu_vendor, usable_cores
from tests.runtime.networks import Patches


def test_cores_are_counted_up_to_a_limit() -> None:
    assert 1 <= usable_cores() <= 16


def list_cpu(folder: Path, monkeypatch: pytest.MonkeyPatch, **facts: str) -> None:
    """Let the kernel list these facts about the first of two CPUs, which is compatible with Intel's."""
    listed = folder / "cpuinfo"
    lines = [f"{name}\t: {value}\n" for name, value in {"processor": "0", **facts}.items()]
    listed.write_text("".join(lines) + "\nprocessor\t: 1\nvendor_id\t: other\n")
    monkeypatch.setattr(hardware, "_CPU_INFO", listed)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("fpu avx512_vnni avx512_bf16 avx512_fp16", False),
        ("fpu avx512_vnni amx_bf16 avx512_fp16 amx_tile amx_int8", True),
        ("fpu avx512_vnni amx_tile", True),
        ("fpu notamx_tile", False),
    ],
)
def test_amx_is_what_the_kernel_lists(
    flags: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_cpu(tmp_path, monkeypatch, flags=flags)
    assert cpu_has_amx() == wanted
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert not cpu_has_amx()


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [("fpu avx2 avx_vnni", True), ("fpu avx512f avx512_vnni", True), ("fpu avx512f avx512bw", False)],
)
@pytest.mark.parametrize(
    ("vendor_id", "vendor"), [("GenuineIntel", "intel"), ("AuthenticAMD", "amd"), ("HygonGenuine", "")]
)
def test_vendor_and_vnni_are_what_the_kernel_lists(
    flags: str, wanted: bool, vendor_id: str, vendor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_cpu(tmp_path, monkeypatch, vendor_id=vendor_id, flags=flags)
    assert cpu_has_vnni() == wanted
    assert cpu_vendor() == vendor
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert not cpu_has_vnni()


@pytest.mark.parametrize(
    ("limit", "flags", "wanted"),
    [
        ("", "avx2 avx512_vnni", True),
        ("AVX2", "avx2 avx_vnni avx512_vnni", False),
        ("avx512_core", "avx2 avx_vnni avx512_vnni", False),
        ("AVX2_VNNI", "avx2 avx512_vnni", False),
        ("AVX2_VNNI", "avx2 avx_vnni avx512_vnni", True),
        ("AVX512_CORE_VNNI", "avx2 avx512_vnni", True),
        ("AVX512_CORE_VNNI", "avx2 avx_vnni", False),
        ("AVX512_CORE_BF16", "avx2 avx_vnni avx512_vnni", True),
        ("AVX512_CORE_AMX", "avx2 avx_vnni", True),
        ("DEFAULT", "avx2 avx_vnni", True),
    ],
)
@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_vnni_may_be_excluded_by_a_limit_of_openvino(
    variable: str, limit: str, flags: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_cpu(tmp_path, monkeypatch, flags=flags)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv(variable, limit)
    monkeypatch.setattr(hardware, "_cpu_property", lambda *_: ("INT8",))
    assert cpu_has_vnni() == cpu_supports_int8() == wanted


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="compares with Linux's list")
def test_without_a_list_openvino_and_torch_tell_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, vnni = cpu_vendor(), cpu_has_vnni()
    monkeypatch.setattr(hardware, "_CPU_INFO", tmp_path / "missing")
    assert cpu_vendor() == vendor
    assert cpu_has_vnni() == vnni
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not cpu_has_vnni()


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="compares with Linux's list")
def test_without_a_list_torch_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = cpu_has_amx()
    monkeypatch.setattr(hardware, "_CPU_INFO", tmp_path / "missing")
    assert cpu_has_amx() == listed
    monkeypatch.setattr(hardware, "cpu_supports_bfloat16", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_tile": True}, raising=False)
    assert cpu_has_amx()
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert cpu_has_amx(), "nobody knows, so the way that is always sound is taken"
    monkeypatch.setattr(hardware, "cpu_supports_bfloat16", lambda: False)
    assert not cpu_has_amx()


def test_a_process_forked_from_one_that_used_the_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    for use in (lambda: torch_device("auto"), lambda: compile_network(Patches(), runtime="torch")):
        with pytest.raises(ConfigurationError, match=r"forked after torch had used the GPU.*'spawn'"):
            use()
    assert torch_device("auto", "openvino")[0].type == "cpu"

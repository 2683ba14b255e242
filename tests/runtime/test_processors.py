"""The choice of a precision by the kind of CPU."""

from __future__ import annotations

import itertools

import pytest
import torch

from freeloc.runtime import bfloat16_is_faster, hardware, int8_is_fastest, processors, torch_device
from freeloc.runtime.hardware import cpu_supports_bfloat16, cpu_supports_int8
from freeloc.runtime.processors import (
    PROCESSOR_KINDS,
    CpuFeatures,
    classify,
    explain_precision,
    processor_kind,
)


@pytest.mark.parametrize(
    ("features", "kind", "float_precision", "int8"),
    [
        (CpuFeatures(True, "intel", bfloat16=True, amx=True, vnni=True), "amx", "bfloat16", True),
        (CpuFeatures(True, "intel", bfloat16=True, amx=False, vnni=True), "intel-bfloat16", "float32", True),
        (CpuFeatures(True, "amd", bfloat16=True, amx=False, vnni=True), "amd-bfloat16", "bfloat16", True),
        (CpuFeatures(True, "intel", bfloat16=False, amx=False, vnni=True), "vnni", "float32", True),
        (CpuFeatures(True, "amd", bfloat16=False, amx=False, vnni=True), "vnni", "float32", True),
        (CpuFeatures(True, "intel", bfloat16=False, amx=False, vnni=False), "x86", "float32", False),
        (CpuFeatures(True, "", bfloat16=True, amx=False, vnni=True), "other", "bfloat16", False),
        (CpuFeatures(False, "", bfloat16=True, amx=False, vnni=False), "other", "bfloat16", False),
    ],
)
def test_kinds(
    features: CpuFeatures, kind: str, float_precision: str, int8: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = classify(features)
    assert found == PROCESSOR_KINDS[kind]
    assert found.int8 == int8
    monkeypatch.setattr(processors, "processor_kind", lambda: found)
    monkeypatch.setattr(processors, "cpu_supports_bfloat16", lambda: features.bfloat16)
    assert ("bfloat16" if bfloat16_is_faster("cpu") else "float32") == float_precision
    monkeypatch.setattr(processors, "cpu_supports_int8", lambda: True)
    assert int8_is_fastest() == int8


def test_every_combination_of_features_has_a_kind() -> None:
    either = (False, True)
    found = {
        classify(CpuFeatures(x86, vendor, bfloat16, amx, vnni)).name
        for x86, vendor, bfloat16, amx, vnni in itertools.product(
            either, ("intel", "amd", ""), either, either, either
        )
    }
    assert found == {kind.name for kind in PROCESSOR_KINDS.values()}


def test_no_kind_computes_what_its_instructions_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in PROCESSOR_KINDS.values():
        monkeypatch.setattr(processors, "processor_kind", lambda kind=kind: kind)
        monkeypatch.setattr(processors, "cpu_supports_bfloat16", lambda: False)
        monkeypatch.setattr(processors, "cpu_supports_int8", lambda: False)
        assert not bfloat16_is_faster("cpu")
        assert not int8_is_fastest()


def test_this_machine_has_one_of_them() -> None:
    kind = processor_kind()
    assert kind in PROCESSOR_KINDS.values()
    assert bfloat16_is_faster("cpu") == (kind.bfloat16 and cpu_supports_bfloat16())
    assert int8_is_fastest() == (kind.int8 and cpu_supports_int8())


@pytest.mark.parametrize(
    ("kind", "precision", "has_int8", "wanted"),
    [
        ("vnni", "int8", True, "without bfloat16: int8 is 2.5 times as fast as float32"),
        ("vnni", "float32", None, "without bfloat16: has no instructions for bfloat16"),
        (
            *("vnni", "float32", False),
            "has no instructions for bfloat16; int8 is 2.5 times as fast as float32, but the model has no int8 network",
        ),
        ("amd-bfloat16", "bfloat16", None, "multiplies twice as many numbers in bfloat16 as in float32"),
        ("amx", "bfloat16", False, "bfloat16 with it, but the model has no int8 network"),
        ("intel-bfloat16", "float32", None, "than in float32, and conversions take time"),
        ("x86", "float32", False, "without VNNI: has no instructions for bfloat16"),
        (
            *("x86", "float32", True),
            "bfloat16; sums of int8 products overflow at 16 bits, which makes int8 networks inaccurate",
        ),
    ],
)
def test_the_reason_fits_the_choice(
    kind: str, precision: str, has_int8: bool | None, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = PROCESSOR_KINDS[kind]
    monkeypatch.setattr(processors, "processor_kind", lambda: chosen)
    monkeypatch.setattr(processors, "cpu_supports_int8", lambda: chosen.int8)
    found = explain_precision(precision, has_int8=has_int8)
    assert found.startswith(f"precision {precision}: {chosen.name}: ")
    assert found.endswith(wanted)


def test_an_int8_network_that_cannot_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "processor_kind", lambda: PROCESSOR_KINDS["amd-bfloat16"])
    monkeypatch.setattr(processors, "cpu_supports_int8", lambda: False)
    assert explain_precision("bfloat16", has_int8=True).endswith(
        "int8 network cannot run here, or would be inaccurate"
    )
    assert "int8" not in explain_precision("bfloat16", has_int8=False)


def test_without_vnni_int8_is_inaccurate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_has_vnni", lambda: False)
    assert not cpu_supports_int8()


def test_torch_computes_in_bfloat16_where_it_is_faster_unless_float32_is_requested() -> None:
    for runtime in ("auto", "openvino"):
        device, low = torch_device("float32", runtime)
        assert not low
        device, low = torch_device("auto", runtime)
        assert low == bfloat16_is_faster(device.type)
    assert device == torch.device("cpu")  # whatever is available: OpenVINO means the CPU

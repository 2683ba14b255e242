"""Options of prediction: valid values, and the resulting scales and precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from freeloc._literals import Preset
from freeloc.errors import ConfigurationError, FreelocError
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.presets import PRESETS, ScalePlan
from freeloc.runtime import processors


@pytest.mark.parametrize(
    ("option", "value"),
    [("location", "middle"), ("runtime", "tensorflow"), ("precision", "float8"), ("preset", "slow")],
)
def test_unknown_choices_are_refused(tiny_run: Path, option: str, value: str) -> None:
    wrong: dict[str, Any] = {option: value}
    with pytest.raises(FreelocError, match=f"{option} .*{value}.*: choose"):
        Localizer.load(tiny_run, **wrong)


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, float("nan")), (1e6,)])
def test_bad_scales_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(FreelocError, match="^scales ") as caught:
        LocalizerOptions(scales=scales, runtime="torch")
    assert caught.value.parameter == "scales"


@pytest.mark.parametrize(
    ("options", "parameter", "message"),
    [
        ({"scales": (1.0,), "preset": "best"}, "preset", "scales and preset both choose the scales"),
        (
            {"location": "paper", "point": "central"},
            "point",
            "location is paper, but only fused points can be central: specify fused or salient points",
        ),
        ({"scales": "0.5,1"}, "scales", "scales is '0.5,1': it must be a tuple of finite numbers"),
        ({"scales": 1.0}, "scales", "scales is 1.0: it must be a tuple of finite numbers"),
        ({"scales": ("1",)}, "scales", r"scales is \('1',\): it must be a tuple of finite numbers"),
        ({"scales": (1.0, 2.0, 1.0)}, "scales", "scales are 1, 2, 1: list each scale only once"),
        ({"batch": 0}, "batch", "batch is 0: it must be at least 1"),
        ({"batch": 1.5}, "batch", "batch is 1.5: it must be a whole number"),
        ({"batch": "2"}, "batch", "batch is '2': it must be a whole number"),
        ({"location": None}, "location", "location is None: choose one of fused, paper"),
        ({"preset": 3}, "preset", "preset is 3: choose one of fast, balanced, best"),
        ({"runtime": ["torch"]}, "runtime", "runtime is .*: choose one of"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], parameter: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        LocalizerOptions(**options)
    assert raised.value.parameter == parameter


def test_the_scales_are_those_requested_or_the_models() -> None:
    own = (1.0, 1.5)
    assert LocalizerOptions().scale_plan(own) == ScalePlan(own)
    assert LocalizerOptions(preset="best").scale_plan(own) == ScalePlan(own)
    assert LocalizerOptions(preset="fast").scale_plan(own) == PRESETS["fast"]
    assert LocalizerOptions(preset="balanced").scale_plan(own) == PRESETS["balanced"]
    assert LocalizerOptions(scales=(3.0,)).scale_plan(own) == ScalePlan((3.0,))
    assert LocalizerOptions(scales=[3.0]).scales == (3.0,)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", [None, *get_args(Preset)])
@pytest.mark.parametrize("fastest", [False, True])
def test_auto_is_int8_where_it_is_fastest(
    preset: Preset | None, fastest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeloc.inference.options.int8_is_fastest", lambda: fastest)
    options = LocalizerOptions(preset=preset, runtime="openvino")
    assert options.network_precision(has_int8=True) == ("int8" if fastest else "auto")
    assert options.network_precision(has_int8=False) == "auto"
    for other in (
        LocalizerOptions(preset=preset, runtime="torch"),
        LocalizerOptions(preset=preset, runtime="openvino", precision="float32"),
    ):
        assert other.network_precision(has_int8=True) == other.precision


@pytest.mark.parametrize(("limit", "wanted"), [("AVX2", "auto"), ("AVX512_CORE", "auto"), ("", "int8")])
def test_auto_is_not_int8_where_a_limit_of_openvino_excludes_vnni(
    limit: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nflags\t: avx2 avx_vnni avx512_vnni\n")
    monkeypatch.setattr("freeloc.runtime.hardware._CPU_INFO", listed)
    monkeypatch.setattr("freeloc.runtime.hardware.is_x86", lambda: True)
    monkeypatch.setattr("freeloc.runtime.hardware._cpu_property", lambda *_: ("INT8",))
    monkeypatch.setattr(processors, "processor_kind", lambda: processors.PROCESSOR_KINDS["amd-bfloat16"])
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert LocalizerOptions(runtime="openvino").network_precision(has_int8=True) == wanted

"""The comparison of precisions on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.errors import ConfigurationError, ModelError
from freeloc.inference.compare_precisions import COMPARED_PRESETS, PrecisionComparison, compare_precisions
from freeloc.inference.localizer import Localizer
from freeloc.runtime import cpu_supports_int8
from freeloc.runtime.hardware import cpu_supports_bfloat16
from freeloc.runtime.processors import explain_precision


def comparison(auto: str, **totals: float) -> PrecisionComparison:
    times = {precision: {"fast": total / 4, "best": 3 * total / 4} for precision, total in totals.items()}
    return PrecisionComparison("m", "CPU", 2, "kind", auto, "reason", False, times)


def test_every_precision_of_model_and_cpu_is_measured(tiny_int8: Path) -> None:
    found = compare_precisions(tiny_int8, images=2, rounds=1, quiet=True)
    wanted = {"float32"}
    wanted |= {"bfloat16"} if cpu_supports_bfloat16() else set()
    wanted |= {"int8"} if cpu_supports_int8() else set()
    assert set(found.milliseconds) == wanted
    for times in found.milliseconds.values():
        assert tuple(times) == COMPARED_PRESETS
        assert all(value > 0 for value in times.values())
    assert found.auto == Localizer(tiny_int8, runtime="openvino").prepare().precision
    assert found.reason == explain_precision(found.auto, has_int8=True)
    assert not found.would_gain_from_int8


def test_the_fastest_is_told_unless_it_is_noise() -> None:
    near = comparison("float32", float32=105, bfloat16=100)
    assert (near.fastest, near.auto_is_fastest) == ("bfloat16", True)
    far = comparison("float32", float32=150, bfloat16=200, int8=100)
    assert (far.fastest, far.auto_is_fastest) == ("int8", False)
    assert far.to_dict()["fastest"] == "int8"
    assert far.to_dict()["auto_is_fastest"] is False


def test_mistakes(tmp_path: Path, tiny_run: Path) -> None:
    with pytest.raises(ModelError):
        compare_precisions(tmp_path / "missing", quiet=True)
    with pytest.raises(ConfigurationError, match="images"):
        compare_precisions(tiny_run, images=0)

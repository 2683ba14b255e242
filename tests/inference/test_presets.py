"""Presets."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from freeloc._literals import Preset, Runtime
from freeloc.cli.options import Preset as CliPreset
from freeloc.geometry.pyramid import TEST_SCALES
from freeloc.inference.localizer import Localizer
from freeloc.inference.presets import PRESETS, ScalePlan


def pixels(scales: tuple[float, ...]) -> float:
    return sum(scale**2 for scale in scales)


def test_each_costs_more_than_the_one_before() -> None:
    plans = [plan or ScalePlan(TEST_SCALES) for plan in PRESETS.values()]
    costs = [pixels(plan.scales) for plan in plans]
    assert costs == sorted(costs)
    assert costs[0] < 0.2 * costs[-1]
    assert costs[1] < 0.5 * costs[-1]
    for plan in plans:
        assert set(plan.scales) <= set(TEST_SCALES)
        assert plan.early_exit_after is None or 0 < plan.early_exit_after < len(plan.scales)


def test_every_choice_is_a_preset() -> None:
    assert get_args(Preset) == tuple(PRESETS)
    option, *_ = get_args(CliPreset)
    assert Preset in get_args(option)


@pytest.mark.parametrize("preset", [None, "fast", "balanced", "best"])
def test_a_localizer_uses_the_presets_scales(tiny_run: Path, preset: Preset | None) -> None:
    plan = None if preset is None else PRESETS[preset]
    expected = (0.7, 1.0) if plan is None else plan.scales
    assert (plan is None) == (preset in {None, "best"})
    runtimes: tuple[Runtime, ...] = ("torch", "openvino")
    for runtime in runtimes:
        localizer = Localizer.load(tiny_run, preset=preset, runtime=runtime)
        assert localizer.pyramid.scales == expected

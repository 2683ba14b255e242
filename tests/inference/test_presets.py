"""Presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.cli.options import Preset as Words
from freeloc.datasets import Dataset
from freeloc.errors import FreelocError
from freeloc.geometry.pyramid import TEST_SCALES
from freeloc.inference.localizer import Localizer
from freeloc.inference.presets import PRESETS, UNDECIDED_SCORE, ScalePlan, select_scales


def pixels(scales: tuple[float, ...]) -> float:
    return sum(scale**2 for scale in scales)


def test_each_looks_at_more_than_the_one_before() -> None:
    plans = [plan or ScalePlan(TEST_SCALES) for plan in PRESETS.values()]
    costs = [pixels(plan.scales) for plan in plans]
    assert costs == sorted(costs)
    assert costs[0] < 0.2 * costs[-1]
    assert costs[1] < 0.5 * costs[-1]
    for plan in plans:
        assert set(plan.scales) <= set(TEST_SCALES)
        assert plan.glance is None or 0 < plan.glance < len(plan.scales)


def test_the_command_line_knows_the_same_words() -> None:
    assert [word.value for word in Words] == list(PRESETS)


def test_what_is_asked_for_is_taken() -> None:
    own = (1.0, 1.5)
    assert select_scales(own, None, None) == ScalePlan(own)
    assert select_scales(own, None, "best") == ScalePlan(own)
    assert select_scales(own, None, "fast") == PRESETS["fast"]
    assert select_scales(own, None, "balanced") == PRESETS["balanced"]
    assert select_scales(own, (3.0,), None) == ScalePlan((3.0,))


def test_what_cannot_be_is_refused(tiny_run: Path) -> None:
    with pytest.raises(FreelocError, match=r"--preset slow is unknown: choose one of fast, balanced, best"):
        select_scales((1.0,), None, "slow")  # type: ignore[arg-type]
    with pytest.raises(FreelocError, match=r"--preset and --scales both"):
        Localizer.load(tiny_run, scales=(1.0,), preset="best")
    for scales in ("0.5,1", 1.0):
        with pytest.raises(FreelocError, match=r"scales are .*: give a tuple of numbers"):
            Localizer.load(tiny_run, scales=scales)  # type: ignore[arg-type]
    with pytest.raises(FreelocError, match=r"--scales has 1, 2, 1: give every scale once"):
        Localizer.load(tiny_run, scales=(1.0, 2.0, 1.0))


@pytest.mark.parametrize("preset", [None, "fast", "balanced", "best"])
def test_a_localizer_looks_at_the_presets_scales(tiny_run: Path, preset: str | None) -> None:
    wanted = (0.7, 1.0) if preset in {None, "best"} else PRESETS[preset].scales  # type: ignore[index,union-attr]
    for runtime in ("torch", "openvino"):
        localizer = Localizer.load(tiny_run, preset=preset, runtime=runtime)  # type: ignore[arg-type]
        assert localizer.pyramid.scales == wanted


@pytest.mark.parametrize("batch", [1, 3])
def test_a_glance_is_enough_where_no_class_is_in_doubt(
    tiny_run: Path, tiny_scenes: Dataset, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """One at a time, many, and many in batches: all look again at the same images, and find the same."""
    paths = [sample.path for sample in tiny_scenes]
    options: dict[str, Any] = {"runtime": "torch", "precision": "float32"}
    glance = Localizer.load(tiny_run, scales=(0.7, 1.4), **options)
    doubts = [float(np.abs(glance.predict(path).scores).min()) for path in paths]
    # Between the third and the fourth: three images are looked at again.
    line = sum(sorted(doubts)[2:4]) / 2
    monkeypatch.setattr("freeloc.inference.localizer.UNDECIDED_SCORE", line)
    staged = Localizer.load(tiny_run, preset="balanced", batch=batch, **options)
    whole = Localizer.load(tiny_run, scales=(0.7, 1.4, 2.0), **options)
    alone = [staged.score_maps(path) for path in paths]
    for maps, many, result, path, doubt in zip(
        alone, staged.score_maps_many(paths), staged.predict_many(paths), paths, doubts, strict=True
    ):
        scales = (0.7, 1.4, 2.0) if doubt < line else (0.7, 1.4)
        assert tuple(part.grid.scale for part in maps) == scales
        assert tuple(part.grid.scale for part in many) == scales
        wanted = (whole if doubt < line else glance).predict(path)
        for found in (staged.predict(path), result):
            np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
            np.testing.assert_array_equal(found.points, wanted.points)
    assert sum(len(maps) == 3 for maps in alone) == 3


def test_doubt_is_a_matter_of_probability() -> None:
    assert 1 / (1 + np.exp(UNDECIDED_SCORE)) == pytest.approx(0.12, abs=0.005)

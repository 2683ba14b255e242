"""Calibrating a model on held-out images, from Python and from the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import FreelocError
from freeloc.inference.localizer import Localizer
from freeloc.models.model import Model
from freeloc.models.platt_scaling import fit_calibration
from freeloc.posttraining.calibrate import calibrate


@pytest.fixture
def copy(tiny_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_run, tmp_path / "run")
    return tmp_path / "run"


def test_what_is_fitted_is_fitted_on_what_prediction_gives(copy: Path, tiny_scenes: Dataset) -> None:
    before = Model.load(copy)
    options: dict[str, Any] = {"runtime": "openvino", "precision": "float32"}
    made = calibrate(copy, tiny_scenes, quiet=True, **options)
    scores = np.stack(
        [found.scores for found in Localizer.load(copy, **options).predict_many(s.path for s in tiny_scenes)]
    )
    wanted = fit_calibration(scores, tiny_scenes.labels)
    assert made.header.calibration is not None
    for name in ("slopes", "offsets", "thresholds"):
        np.testing.assert_allclose(
            getattr(made.header.calibration, name), getattr(wanted, name), rtol=1e-4, atol=1e-4
        )
    facts = made.header.calibration.facts
    assert (facts["images"], facts["scales"]) == (6, [0.7, 1.0])
    # Only the file is changed.
    after = Model.load(copy)
    assert after.header.calibration == made.header.calibration
    assert after.header.manifest == before.header.manifest
    for one, other in zip(before.head.parameters(), after.head.parameters(), strict=True):
        assert bool((one == other).all())
    # Fitted to raw scores again, not to calibrated ones.
    again = calibrate(copy, tiny_scenes, quiet=True, **options)
    np.testing.assert_allclose(again.header.calibration.slopes, made.header.calibration.slopes)  # type: ignore[union-attr]


def test_the_command_reads_tags_alone(
    freeloc: Callable[..., Any], copy: Path, tiny_coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def watched(*words: Any, **options: Any) -> Dataset:
        dataset = open_dataset(*words, **options)
        seen.append(dataset.has_boxes)
        return dataset

    monkeypatch.setattr("freeloc.datasets.open_dataset", watched)
    out = tmp_path / "calibrated.safetensors"
    before = (copy / "model.safetensors").read_bytes()
    answer = freeloc("calibrate", copy, tiny_coco, "--out", out)
    assert (answer.code, answer.out) == (0, "")
    assert seen == [False]
    assert "calibrated on 6 images" in answer.err
    assert "calibration error" in answer.err
    assert f"wrote {out}" in answer.err
    assert (copy / "model.safetensors").read_bytes() == before
    assert Model.load(out).header.calibration is not None
    assert freeloc("calibrate", copy, tiny_coco, "--quiet").err == ""
    assert Model.load(copy).header.calibration == Model.load(out).header.calibration


def test_mistakes_are_named(copy: Path, tiny_training: Dataset, tiny_scenes: Dataset) -> None:
    with pytest.raises(FreelocError, match=r"was trained on .* that it was not trained on"):
        calibrate(copy, tiny_training, quiet=True)
    with pytest.raises(FreelocError, match="no images"):
        calibrate(copy, replace(tiny_scenes, samples=()), quiet=True)
    with pytest.raises(FreelocError, match="in the same order"):
        calibrate(copy, replace(tiny_scenes, classes=tiny_scenes.classes[::-1]), quiet=True)
    assert Model.load(copy).header.calibration is None

"""Scores by heads of folds, compared with predictions of the same heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets.dataset import Dataset
from freeloc.datasets.folds import stratified_folds
from freeloc.errors import ConfigurationError
from freeloc.inference.fusion import pooled_scores
from freeloc.inference.localizer import Localizer
from freeloc.training.fold_scores import fold_scores
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train
from tests.training.small_run import RECIPE


def test_each_image_is_scored_by_the_head_that_was_trained_without_it(
    one_thread: None, scenes: Dataset, filled_cache: Path, tmp_path: Path
) -> None:
    settings = TrainingSettings(
        backbone="efficientnet_lite0",
        recipe=RECIPE,
        seed=3,
        cache_folder=filled_cache,
        runtime="openvino",
        precision="float32",
        calibration_folds=5,  # has no effect
    )
    scores = fold_scores(scenes, settings, folds=2, quiet=True)
    assert scores.shape == scenes.labels.shape
    folds = stratified_folds(scenes.labels, 2, settings.seed)
    training = tuple(sample for sample, fold in zip(scenes, folds, strict=True) if fold != 1)
    plain = replace(settings, report=False, calibration_folds=0)
    train(replace(scenes, samples=training), tmp_path / "run", plain, quiet=True)
    localizer = Localizer.load(
        tmp_path / "run", scales=RECIPE.scales, runtime="openvino", precision="float32"
    )
    for index in np.flatnonzero(folds == 1)[:3]:
        maps = localizer.score_maps(scenes.samples[index].path)
        np.testing.assert_allclose(scores[index], pooled_scores(maps), atol=0.05)


def test_there_must_be_two_folds(scenes: Dataset) -> None:
    with pytest.raises(ConfigurationError, match="use at least 2 folds"):
        fold_scores(scenes, folds=1, quiet=True)

"""The forecast of a run, from measured durations."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.datasets.dataset import Dataset
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network
from freeloc.training import forecast as module
from freeloc.training import preparation
from freeloc.training.forecast import Forecast, forecast
from freeloc.training.preparation import PreparedRun, missing_features, prepare_run, resolve_settings
from freeloc.training.settings import TrainingSettings
from tests.training.small_run import RECIPE, SCALES


@pytest.fixture
def prepared(
    scenes: Dataset, backbone: Backbone, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PreparedRun:
    monkeypatch.setattr(preparation, "load_backbone", lambda *_arguments: backbone)
    monkeypatch.setattr(preparation, "compile_network", lambda *_arguments, **_options: network)
    monkeypatch.setattr(module, "_WARM_UP", 1)
    monkeypatch.setattr(module, "_SAMPLE", 3)
    settings = TrainingSettings(
        backbone="efficientnet_lite0", recipe=RECIPE, cache_folder=tmp_path, runtime="openvino"
    )
    training = Dataset(scenes.name, scenes.classes, scenes.samples[:10])
    val = Dataset(scenes.name, scenes.classes, scenes.samples[10:])
    return prepare_run(training, resolve_settings(training, settings), val)


@pytest.mark.usefixtures("one_thread")
def test_the_sample_stays_cached_and_only_the_rest_is_forecast(
    prepared: PreparedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(missing_features(prepared, prepared.image_info)) == 10
    found = forecast(prepared)
    assert found.features > 0
    assert found.training > 0
    assert (found.calibration, found.int8, found.report) == (0, 0, 0)
    left = missing_features(prepared, prepared.image_info)
    assert len(left) == 6
    # With known durations of its parts: 2 s per image, 0.5 s per step of 4 images, 0.25 s to score an image.
    monkeypatch.setattr(module, "_time_extraction", lambda *_: 2.0)
    monkeypatch.setattr(module, "_time_training", lambda *_: (0.5, 0.25))
    found = forecast(prepared, epochs_done=1, folds=2, max_scored=7, quantized=64, reported=3, evaluated=5)
    assert found.features == 2 * (
        2 + 2
    )  # two training images are not in the sample, nor are two for validation
    epoch, validation = 3 * 0.5, 2 * 0.25
    assert found.training == 2 * (epoch + validation) + 2 * 10 * 0.25
    assert found.calibration == 3 * (epoch + 2 * validation) + 7 * 8.0
    assert found.int8 == 30 + 10 * 8.0, "there are fewer images than are drawn"
    assert found.report == 5 + 3 * 8.0
    assert found.evaluation == 5 + 5 * 8.0


def test_if_all_is_cached_no_feature_is_left(prepared: PreparedRun, scenes: Dataset) -> None:
    preparation.load_features(prepared, prepared.dataset, prepared.image_info, quiet=True)
    images = prepared.validation
    assert images is not None
    preparation.load_features(prepared, images.dataset, images.image_info, quiet=True)
    assert missing_features(prepared, images.image_info) == []
    assert forecast(prepared).features == 0
    assert prepared.settings.recipe.scales == SCALES


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Forecast(60, 180), "about 4 minutes here (features 60 seconds, training 3 minutes)"),
        (Forecast(0.2, 30), "about 30 seconds here"),
        (
            Forecast(0, 600, 3000, report=40),
            "about 61 minutes here (training 10 minutes, calibration 50 minutes, report 40 seconds)",
        ),
    ],
)
def test_in_words(found: Forecast, words: str) -> None:
    assert str(found) == words

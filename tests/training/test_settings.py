"""Settings of a run: defaults, and what is rejected before any work starts."""

from __future__ import annotations

import dataclasses

import pytest

import freeloc
from freeloc.errors import ConfigurationError
from freeloc.training.recipe import RECIPES
from freeloc.training.settings import TrainingSettings


def test_defaults_are_the_default_recipe_with_cached_features() -> None:
    settings = TrainingSettings()
    assert settings.recipe == RECIPES["default"]
    assert settings.backbone == "efficientnet_lite2"
    assert (settings.cache_features, settings.cache_format, settings.cache_folder) == (True, "float16", None)
    assert (settings.snapshots, settings.calibration_folds, settings.seed) == ((), 0, 0)


def test_settings_are_public_and_immutable() -> None:
    assert freeloc.TrainingSettings is TrainingSettings
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingSettings().seed = 1  # type: ignore[misc]


def test_equal_settings_are_equal() -> None:
    assert TrainingSettings(snapshots=(3,)) == TrainingSettings(snapshots=(3,)) != TrainingSettings()


def test_an_unknown_cache_format_is_rejected() -> None:
    with pytest.raises(
        ConfigurationError, match="cache_format is 'int4': choose one of float16, int8"
    ) as caught:
        TrainingSettings(cache_format="int4")  # type: ignore[arg-type]
    assert caught.value.parameter == "cache_format"

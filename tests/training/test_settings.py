"""Settings of a run: defaults, and what is rejected before any work starts."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import freeloc
from freeloc.errors import BackboneError, ConfigurationError
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("seed", -1), ("seed", 2**63), ("seed", 1.5), ("seed", "1"), ("seed", None), ("seed", True)),
        *(("calibration_folds", 2.5), ("calibration_folds", 1), ("calibration_folds", -2)),
        *(("snapshots", 3), ("snapshots", (-1,)), ("snapshots", ("3",)), ("snapshots", (1.5,))),
        *(("recipe", "default"), ("recipe", None), ("recipe", {}), ("recipe", type)),
        *(("backbone", None), ("backbone", 2), ("backbone", ""), ("weights", 3), ("weights", b"a")),
        *(("cache_folder", 3), ("cache_folder", "a\0"), ("cache_features", "no"), ("cache_features", None)),
        *(("runtime", "tensorflow"), ("runtime", None), ("precision", "int8"), ("precision", 16)),
        ("cache_format", []),
        *(("val_split", 0.0), ("val_split", 1), ("val_split", "0.1"), ("patience", -1), ("report", None)),
    ],
)
def test_wrong_values_are_refused_where_they_are_set(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} (is|contains) ") as caught:
        TrainingSettings(**{name: value})
    assert caught.value.parameter == name


def test_an_unknown_backbone_is_refused_where_it_is_set() -> None:
    with pytest.raises(BackboneError, match=r"there is no backbone called 'resnet50'.*choose one of"):
        TrainingSettings(backbone="resnet50")
    assert TrainingSettings(backbone="lite0").backbone == "lite0"
    assert TrainingSettings(backbone="timm:resnet50").backbone == "timm:resnet50"

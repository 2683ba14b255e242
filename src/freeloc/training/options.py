"""The arguments of `freeloc.train`: data by its path, and every setting by its own name.

The names and defaults are those of the fields of `TrainingSettings`, `Recipe` and the options of a dataset, which
``freeloc train`` has, too; tests compare them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from freeloc._literals import CacheFormat, MissingTags, Padding, Precision, Resize, Runtime, Supervision
from freeloc._validation import check_keywords, check_value
from freeloc.datasets.checks.classes import warn_of_untagged
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.training_data import (
    DataOptions,
    open_for_training,
    open_for_validation,
    refuse_validation_options,
)
from freeloc.errors import ConfigurationError
from freeloc.training.recipe import Gradient, Recipe, Schedule
from freeloc.training.settings import TrainingSettings

__all__ = ["Inputs", "TrainOptions", "merge_settings", "open_inputs"]


class TrainOptions(DataOptions, total=False):
    """Options of `freeloc.train`.

    They are the options of a dataset (`DataOptions`), the fields of `TrainingSettings`, and the fields of
    `Recipe`. ``recipe`` is a recipe or its name. ``val_split`` is also the name of the split of the validation
    images. ``val_format`` and ``val_images`` are the format and the folder of the images of ``val``, if it is a
    path.
    """

    val_format: str
    val_images: str | os.PathLike[str] | None

    recipe: str | Recipe
    backbone: str
    weights: str | Path | None
    seed: int
    runtime: Runtime
    precision: Precision
    cache_features: bool
    draw_scales: bool
    cache_folder: str | Path | None
    cache_format: CacheFormat
    snapshots: tuple[int, ...]
    calibration_folds: int
    val_split: float | str | None
    patience: int
    int8: bool
    report: bool
    # The recipe.
    epochs: int | None
    batch_size: int | None
    scales: tuple[float, ...] | None
    test_scales: tuple[float, ...] | None
    padding: Padding | None
    resize: Resize | None
    warm_start_epochs: int | None
    warm_start_learning_rate: float | None
    hidden: int | None
    feature_dropout: float | None
    hidden_dropout: float | None
    pooling: str | None
    supervision: Supervision | None
    missing_tags: MissingTags | None
    cell_fraction: float | None
    gradient: Gradient | None
    learning_rate: float | None
    momentum: float | None
    weight_decay: float | None
    schedule: Schedule | None
    warmup_fraction: float | None
    trainable_backbone: str | None
    projection_learning_rate: float | None
    backbone_learning_rate: float | None
    min_steps: int | None


_DATA = frozenset(DataOptions.__annotations__)
_VALIDATION = ("val_format", "val_images")
_RECIPE = frozenset(field.name for field in fields(Recipe)) - {"name"}


class Inputs(NamedTuple):
    """Training images, validation images if any, and all settings."""

    dataset: Dataset
    val: Dataset | None
    settings: TrainingSettings


def merge_settings(settings: TrainingSettings | None, options: TrainOptions) -> TrainingSettings:
    """Return settings with some of them replaced; None leaves a setting unchanged.

    Args:
        settings: the settings; None for the defaults.
        options: new values. Those of a dataset, and the name of a split for validation, are ignored.

    Raises:
        ConfigurationError: an option is unknown, has the wrong type or is out of range.
    """
    check_keywords("train", options, TrainOptions.__annotations__)
    settings = settings or TrainingSettings()
    given = {
        name: value
        for name, value in options.items()
        if name not in {*_DATA, *_VALIDATION} and value is not None
    }
    recipe: Any = given.pop("recipe", settings.recipe)
    changes = {name: given.pop(name) for name in list(given) if name in _RECIPE}
    if isinstance(recipe, str):
        recipe = Recipe.named(recipe, **changes)
    else:
        if "epochs" in changes:  # as in `Recipe.named`
            changes.setdefault("min_steps", 0)
        recipe = replace(check_value("recipe", recipe, Recipe), **changes)
    if isinstance(given.get("val_split"), str):
        del given["val_split"]
    return replace(settings, recipe=recipe, **given)  # type: ignore[arg-type]


def open_inputs(
    data: Dataset | DataSource,
    val: Dataset | DataSource | None,
    settings: TrainingSettings,
    options: TrainOptions,
    *,
    quiet: bool,
) -> Inputs:
    """Open the training and validation images that are given by their paths.

    Args:
        data: the training images.
        val: the validation images.
        settings: the settings, from `merge_settings`.
        options: the options of `freeloc.train`, of which those about data are used.
        quiet: whether to hide progress.

    Raises:
        ConfigurationError: an option applies only to the path of a dataset.
        DatasetError: a dataset cannot be opened.
    """
    chosen: Any = {name: value for name, value in options.items() if name in _DATA}
    split = options.get("val_split")
    split = split if isinstance(split, str) else None
    if val is None or isinstance(val, Dataset):
        refuse_validation_options({name: options.get(name) for name in _VALIDATION})
    if isinstance(data, Dataset):
        _refuse(chosen)
        dataset = data
    else:
        boxes = settings.recipe.supervision != "tags"
        dataset = open_for_training(data, boxes=boxes, quiet=quiet, **chosen)
        warn_of_untagged(dataset)
    place = data if val is None and split is not None else val
    if place is None or isinstance(place, Dataset):
        _refuse({} if split is None else {"val_split": split})
        return Inputs(dataset, place, settings)
    validation = open_for_validation(
        place,
        dataset.classes,
        chosen,
        split=split,
        is_other=val is not None,
        format=options.get("val_format", "auto"),
        images=options.get("val_images"),
        quiet=quiet,
    )
    return Inputs(dataset, validation, settings)


def _refuse(options: Mapping[str, object]) -> None:
    for name in options:
        raise ConfigurationError(
            f"{name} applies only to the path of a dataset, not to an open one: set it in open_dataset",
            parameter=name,
        )

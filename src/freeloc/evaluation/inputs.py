"""Open what is to be evaluated: models by their names or paths, and datasets by their paths."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from freeloc._validation import check_keywords
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.open_dataset import open_dataset
from freeloc.datasets.options import DatasetChecks
from freeloc.datasets.training_data import DataOptions
from freeloc.errors import ConfigurationError
from freeloc.evaluation.annotations import check_evaluable
from freeloc.evaluation.collect import Predictions, collect
from freeloc.evaluation.common_classes import common_classes, evaluated_classes
from freeloc.inference.localizer import Localizer
from freeloc.models.registry import find_model

__all__ = ["open_for_models", "predict_for_evaluation", "shown_names"]


def shown_names(paths: Sequence[Path]) -> list[str]:
    """Return the name of each model in tables: that of its run folder or file, or its path if not unique."""
    # Path.resolve would follow links, which may lead to folders with different names.
    places = [Path(os.path.abspath(item)) for item in paths]  # noqa: PTH100
    names = [
        item.parent.name if item.name == "model.safetensors" else item.name if item.is_dir() else item.stem
        for item in places
    ]
    return [name if names.count(name) == 1 else str(path) for name, path in zip(names, paths, strict=True)]


def open_for_models(
    data: Dataset | DataSource,
    models: Mapping[str, Sequence[str]],
    options: DataOptions,
    *,
    boxes: bool = False,
    quiet: bool = False,
) -> Dataset:
    """Open a dataset with the classes that it and all models have; the log names the others once.

    Args:
        data: what `open_dataset` opens, or an open dataset, which is returned with these classes.
        models: the classes of each model, keyed by the name shown in messages.
        options: options of the dataset.
        boxes: whether to read boxes.
        quiet: whether to hide progress.

    Raises:
        DatasetError: the dataset cannot be opened.
        ConfigurationError: an option is unknown, not valid or does not apply, or there is no common class.
    """
    check_keywords("a dataset", options, DataOptions.__annotations__)
    given: dict[str, Any] = dict(options)
    if isinstance(data, Dataset):
        for name in given:
            raise ConfigurationError(
                f"{name} applies only to the path of a dataset, not to an open one: set it in open_dataset",
                parameter=name,
            )
        wanted = common_classes(models, data.classes)
        return data.select_classes(evaluated_classes(data, wanted))
    checks = DatasetChecks(
        quiet=quiet,
        rescale_boxes=given.pop("rescale_boxes", False),
        minus_one=given.pop("minus_one", None),
        ancestors=given.pop("ancestors", False),
    )
    wanted = common_classes(models, given.pop("classes", None))
    dataset = open_dataset(data, classes=wanted, boxes=boxes, checks=checks, **given)
    return dataset.select_classes(evaluated_classes(dataset, wanted))


def predict_for_evaluation(
    models: Sequence[Localizer | str | Path],
    data: Dataset | DataSource,
    options: DataOptions,
    *,
    quiet: bool,
) -> tuple[list[Predictions], Dataset]:
    """Run models over a dataset, and return their predictions and the dataset with the classes evaluated.

    Args:
        models: the models, loaded or by their names or paths; at least one.
        data: what `open_dataset` opens, or an open dataset.
        options: options of the dataset.
        quiet: whether to hide progress.

    Raises:
        DatasetError: the dataset cannot be opened, or the models cannot be evaluated on it.
        ConfigurationError: see `open_for_models`.
        ModelError: a model cannot be loaded.
        ImageError: an image cannot be read.
    """
    paths = [find_model(item) for item in models if not isinstance(item, Localizer)]
    of_paths = iter(shown_names(paths))
    named: dict[str, Localizer] = {}
    for number, item in enumerate(models, start=1):
        if isinstance(item, Localizer):
            named[f"model {number}"] = item
        else:
            named[next(of_paths)] = Localizer.load(item)
    known = {name: localizer.classes for name, localizer in named.items()}
    dataset = open_for_models(data, known, options, boxes=True, quiet=quiet)
    check_evaluable(dataset, known)
    return [collect(item, dataset, name, quiet=quiet) for name, item in named.items()], dataset

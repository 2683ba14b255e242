"""Which classes are evaluated: those that the data and all models have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from freeloc._class_names import check_class_names, log_missing_classes, quote_names
from freeloc.datasets.dataset import IGNORE, Dataset
from freeloc.errors import ConfigurationError

__all__ = ["common_classes", "evaluated_classes"]


def common_classes(
    models: Mapping[str, Sequence[str]], chosen: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the classes that all models have, and log the others, in one line per model.

    Args:
        models: the classes of each model, keyed by the name shown in tables; at least one model.
        chosen: the classes to choose from, in the requested order; default: all classes of all models.

    Raises:
        ConfigurationError: a model has none of the chosen classes, or the models have no class in common.
    """
    every = dict.fromkeys(name for classes in models.values() for name in classes)
    wanted = tuple(every) if chosen is None else check_class_names(chosen)
    common = tuple(name for name in wanted if all(name in classes for classes in models.values()))
    for model, classes in models.items():
        log_missing_classes(wanted, classes, f"model {model}", "left out")
    if not common:
        raise ConfigurationError(
            f"the models {quote_names(models)} have no class in common, so there is nothing to compare: choose "
            "other models",
            parameter="classes",
        )
    return common


def evaluated_classes(dataset: Dataset, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the classes of a dataset that can be evaluated: those whose label is known in some image.

    Args:
        dataset: the images.
        wanted: the classes to choose from, in the requested order; default: all classes of the dataset. The log
            names those that the dataset does not have.

    Raises:
        ConfigurationError: the dataset has none of the classes.
    """
    if wanted is not None:
        log_missing_classes(wanted, dataset.classes, dataset.name, "left out")
    known = (dataset.labels != IGNORE).any(axis=0)
    found = {name for name, is_known in zip(dataset.classes, known, strict=True) if is_known}
    return tuple(name for name in (dataset.classes if wanted is None else wanted) if name in found)

"""Open datasets for training: the options that `freeloc.train`, `freeloc.check` and their commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Unpack

from freeloc._literals import MinusOne
from freeloc._validation import check_keywords
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.open_dataset import open_dataset
from freeloc.datasets.options import DatasetChecks
from freeloc.datasets.tag_options import TagOptions

__all__ = ["DataOptions", "open_for_training"]


class DataOptions(TagOptions, total=False):
    """Options of a dataset for training.

    `freeloc.datasets.open_dataset.open_dataset`, `freeloc.datasets.options.DatasetChecks` and
    `freeloc.datasets.tag_rules.TagRules` explain them, and define their defaults.
    """

    split: str | None
    format: str
    classes: Sequence[str] | None
    images: str | os.PathLike[str] | None
    skip_bad: bool
    rescale_boxes: bool
    minus_one: MinusOne | None
    ancestors: bool


def open_for_training(
    path: DataSource,
    *,
    boxes: bool = False,
    quiet: bool = False,
    for_check: bool = False,
    check_classes: bool = True,
    **options: Unpack[DataOptions],
) -> Dataset:
    """Open a dataset, and check that a model can be trained on it.

    Args:
        path: the folder or file.
        boxes: whether to read boxes.
        quiet: whether to hide progress.
        for_check: whether to prepare for `freeloc.datasets.checks.check.check`.
        check_classes: whether to report classes in no image or in every image; False for a split that is only
            compared with the one to train on.
        options: further options.

    Raises:
        DataProblems: the dataset has problems.
        DatasetError: ``path`` is not a dataset, or an option does not apply to it.
        ConfigurationError: an option is unknown or not valid.
    """
    check_keywords("a dataset", options, DataOptions.__annotations__)
    checks = DatasetChecks(
        for_training=check_classes,
        for_check=for_check,
        quiet=quiet,
        rescale_boxes=options.pop("rescale_boxes", False),
        minus_one=options.pop("minus_one", None),
        ancestors=options.pop("ancestors", False),
    )
    return open_dataset(path, boxes=boxes, checks=checks, **options)  # type: ignore[misc]  # the others are removed

"""Open datasets for training and validation: options that `freeloc.train`, `freeloc.check` and commands share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Unpack

from freeloc._literals import MinusOne
from freeloc._validation import check_keywords
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.open_dataset import open_dataset
from freeloc.datasets.options import DatasetChecks
from freeloc.datasets.tag_options import TagOptions, options_for_same_classes
from freeloc.errors import ConfigurationError, FreelocError

__all__ = ["DataOptions", "open_for_training", "open_for_validation", "refuse_validation_options"]

_OF_SOME_FORMATS: Final[dict[str, Any]] = {"minus_one": None, "ancestors": False}
"""Options that only some formats use, with the values that have no effect."""


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


def open_for_validation(
    path: DataSource,
    classes: Sequence[str],
    options: Mapping[str, Any],
    *,
    split: str | None,
    is_other: bool,
    format: str = "auto",  # noqa: A002 - as in `open_dataset`
    images: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Dataset:
    """Open the validation images, with the classes of the training images; boxes are never read.

    The options that say what tags mean apply to both. Those of formats that other images do not have are ignored,
    because they are for the training images. ``min_images`` never applies, because the classes are chosen.

    Args:
        path: the validation images, or the training images if these are another split of them.
        classes: the classes of the training images.
        options: the options of the training images (`DataOptions`), among others.
        split: the split of the validation images.
        is_other: whether ``path`` is another dataset, which may have another format and folder of images.
        format: the format of another dataset.
        images: the folder of the images of another dataset.
        quiet: whether to hide progress.

    Raises:
        DataProblems: the dataset has problems.
        DatasetError: ``path`` is not a dataset, or an option does not apply to it.
        ConfigurationError: an option is not valid; ``parameter`` is that of `freeloc.train`.
    """
    place: dict[str, Any] = {name: options[name] for name in ("format", "images") if name in options}
    if is_other:
        place = {"format": format, "images": images}
    checks = DatasetChecks(
        quiet=quiet, **{name: options[name] for name in _OF_SOME_FORMATS if name in options}
    )
    given: dict[str, Any] = {"split": split, "classes": classes, "skip_bad": options.get("skip_bad", False)}
    given |= {**place, **options_for_same_classes(options)}
    try:
        return _open(path, checks, given, is_other=is_other)
    except FreelocError as error:
        if error.parameter == "split" or (is_other and error.parameter in place):
            error.parameter = f"val_{error.parameter}"
        raise


def refuse_validation_options(options: Mapping[str, object]) -> None:
    """Refuse options for the path of other validation images, where there is none.

    Raises:
        ConfigurationError: an option is set.
    """
    for name, value in options.items():
        if value not in (None, "auto"):
            raise ConfigurationError(
                f"{name} describes other images for validation, but val is not their path: omit it, or set val",
                parameter=name,
            )


def _open(path: DataSource, checks: DatasetChecks, options: dict[str, Any], *, is_other: bool) -> Dataset:
    """Open a dataset; if it is not that of the training images, without the options that its format lacks."""
    try:
        return open_dataset(path, checks=checks, **options)
    except ConfigurationError as error:
        name = error.parameter
        if not is_other or name not in _OF_SOME_FORMATS or getattr(checks, name) == _OF_SOME_FORMATS[name]:
            raise
        return _open(path, replace(checks, **{name: _OF_SOME_FORMATS[name]}), options, is_other=True)

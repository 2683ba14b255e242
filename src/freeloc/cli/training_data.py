"""Open a dataset for training, with the checks that ``freeloc check`` and ``freeloc train`` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from freeloc._literals import MinusOne
from freeloc.cli.options import read_classes
from freeloc.errors import ConfigurationError

if TYPE_CHECKING:
    from freeloc.datasets import Dataset
    from freeloc.datasets.tag_options import TagOptions

__all__ = ["describe", "open_for_training", "open_for_validation", "parse_val_split"]


def open_for_training(
    data: Path,
    split: str | None,
    format_: str,
    images: Path | None,
    classes: str | None,
    *,
    skip_bad: bool,
    quiet: bool,
    supervision: str = "tags",
    rescale_boxes: bool = False,
    minus_one: MinusOne | None = None,
    ancestors: bool = False,
    **tags: Unpack[TagOptions],
) -> Dataset:
    """Open a dataset with options from the command line; boxes are read only if training uses them."""
    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.datasets.checks.classes import warn_of_untagged

    dataset = open_dataset(
        data,
        split=split,
        format=format_,
        images=images,
        classes=read_classes(classes),
        skip_bad=skip_bad,
        boxes=supervision != "tags",
        checks=DatasetChecks(
            for_training=True,
            quiet=quiet,
            rescale_boxes=rescale_boxes,
            minus_one=minus_one,
            ancestors=ancestors,
        ),
        **tags,
    )
    warn_of_untagged(dataset)
    return dataset


def open_for_validation(
    data: Path,
    split: str | None,
    format_: str = "auto",
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    *,
    skip_bad: bool,
    quiet: bool,
    minus_one: MinusOne | None = None,
    ancestors: bool = False,
    **tags: Unpack[TagOptions],
) -> Dataset:
    """Open validation images with options from the command line; boxes are never read.

    The classes are those of the training images, so that other tags are left out.
    """
    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.datasets.tag_options import options_for_same_classes
    from freeloc.errors import FreelocError

    try:
        return open_dataset(
            data,
            split=split,
            format=format_,
            images=images,
            classes=classes,
            skip_bad=skip_bad,
            checks=DatasetChecks(quiet=quiet, minus_one=minus_one, ancestors=ancestors),
            **options_for_same_classes(tags),
        )
    except FreelocError as error:
        if error.parameter == "split":  # it comes from the option for validation
            error.parameter = "val_split"
        raise


def parse_val_split(text: str | None, val: Path | None) -> tuple[float | None, str | None]:
    """Return the fraction of the training images to hold out, or the split of the validation images.

    A whole number, such as 1, is the name of a split, because some lists number their splits.

    Raises:
        ConfigurationError: the text is a fraction that is not between 0 and 1, or one although there are separate
            validation images.
    """
    if text is None:
        return None, None
    try:
        fraction = float(text)
    except ValueError:
        return None, text
    if text.strip().isdecimal():
        return None, text
    if not 0 < fraction < 1:
        raise ConfigurationError(
            f"val_split is {text}: a fraction of the images must be between 0 and 1, such as 0.1",
            parameter="val_split",
        )
    if val is not None:
        raise ConfigurationError(
            f"val_split is {text}, but val specifies other images for validation: hold out a fraction of the "
            "training images, or use others",
            parameter="val_split",
        )
    return fraction, None


def describe(dataset: Dataset) -> str:
    """Return one line that states the numbers of images, classes and skipped images."""
    from freeloc.io.progress import pluralize

    skipped = f", {pluralize(dataset.skipped, 'bad image')} skipped" if dataset.skipped else ""
    classes = "1 class" if len(dataset.classes) == 1 else f"{len(dataset.classes)} classes"
    return f"{dataset.name}: {pluralize(len(dataset), 'image')}, {classes}{skipped}"

"""Open a dataset for training, with the checks that ``freeloc check`` and ``freeloc train`` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from freeloc._literals import MinusOne
from freeloc.cli.options import read_classes

if TYPE_CHECKING:
    from freeloc.datasets import Dataset

__all__ = ["describe", "open_for_training"]


def open_for_training(
    data: Path,
    split: str | None,
    format_: str,
    images: Path | None,
    classes: Path | None,
    *,
    skip_bad: bool,
    quiet: bool,
    supervision: str = "tags",
    rescale_boxes: bool = False,
    minus_one: MinusOne | None = None,
) -> Dataset:
    """Open a dataset with options from the command line; boxes are read only if training uses them."""
    from freeloc.datasets import DatasetChecks, open_dataset

    return open_dataset(
        data,
        split=split,
        format=format_,
        images=images,
        classes=read_classes(classes),
        skip_bad=skip_bad,
        boxes=supervision != "tags",
        checks=DatasetChecks(
            for_training=True, quiet=quiet, rescale_boxes=rescale_boxes, minus_one=minus_one
        ),
    )


def describe(dataset: Dataset) -> str:
    """Return one line that states the numbers of images, classes and skipped images."""
    from freeloc.io.progress import pluralize

    skipped = f", {pluralize(dataset.skipped, 'bad image')} skipped" if dataset.skipped else ""
    return f"{dataset.name}: {pluralize(len(dataset), 'image')}, {len(dataset.classes)} classes{skipped}"

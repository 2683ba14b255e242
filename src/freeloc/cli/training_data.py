"""Opening a data set for training: what ``freeloc train`` works on is what ``freeloc check`` has looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
) -> Dataset:
    """`freeloc.datasets.open_dataset` with the options of the command line; boxes are read only to be told."""
    from freeloc.datasets import DatasetChecks, open_dataset

    return open_dataset(
        data,
        split=split,
        format=format_,
        images=images,
        classes=read_classes(classes),
        skip_bad=skip_bad,
        boxes=supervision != "tags",
        checks=DatasetChecks(for_training=True, quiet=quiet),
    )


def describe(dataset: Dataset) -> str:
    """One line: how many images and classes, and how many were left out."""
    from freeloc.io.progress import pluralize

    left_out = f", {pluralize(dataset.skipped, 'bad one')} left out" if dataset.skipped else ""
    return f"{dataset.name}: {pluralize(len(dataset), 'image')}, {len(dataset.classes)} classes{left_out}"

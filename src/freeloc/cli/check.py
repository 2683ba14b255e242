"""``freeloc check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import Data, Format, FormatOption, Images, Quiet, SkipBad, Split, read_classes

__all__ = ["check"]


def check(
    data: Data,
    split: Split = None,
    format_: FormatOption = Format.auto,
    images: Images = None,
    classes: Annotated[
        Path | None, typer.Option(help="Text file with one class name a line; default: all the data's.")
    ] = None,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
) -> None:
    """Look a data set through, as training would, and say what is in it or all that is wrong with it."""
    from freeloc.datasets import PRESENT, open_dataset
    from freeloc.progress import counted

    dataset = open_dataset(
        data,
        split=split,
        format=format_.value,
        images=images,
        classes=read_classes(classes),
        skip_bad=skip_bad,
        for_training=True,
        quiet=quiet,
    )
    left_out = f", {counted(dataset.skipped, 'bad one')} left out" if dataset.skipped else ""
    typer.echo(f"{dataset.name}: {len(dataset)} photographs, {len(dataset.classes)} classes{left_out}")
    for name, count in zip(dataset.classes, (dataset.labels == PRESENT).sum(axis=0), strict=True):
        typer.echo(f"{count:8d}  {name}")

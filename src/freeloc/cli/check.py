"""``freeloc check``."""

from __future__ import annotations

import typer

from freeloc.cli.options import Data, Format, FormatOption, Images, SkipBad, Split

__all__ = ["check"]


def check(
    data: Data,
    split: Split = None,
    format_: FormatOption = Format.auto,
    images: Images = None,
    skip_bad: SkipBad = False,
) -> None:
    """Look a data set through, as training would, and say what is in it or all that is wrong with it."""
    from freeloc.datasets import PRESENT, open_dataset

    dataset = open_dataset(
        data, split=split, format=format_.value, images=images, skip_bad=skip_bad, require_positives=True
    )
    left_out = f", {dataset.skipped} bad ones left out" if dataset.skipped else ""
    typer.echo(f"{dataset.name}: {len(dataset)} photographs, {len(dataset.classes)} classes{left_out}")
    for name, count in zip(dataset.classes, (dataset.labels == PRESENT).sum(axis=0), strict=True):
        typer.echo(f"{count:8d}  {name}")

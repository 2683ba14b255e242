"""``freeloc convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import Quiet
from freeloc.cli.writer_options import (
    OUTPUT,
    Boxes,
    Formats,
    ImageFilesOption,
    MaskEncodingOption,
    Masks,
    MergeSidecars,
    MinBoxScore,
    Peaks,
    Threshold,
)

__all__ = ["convert"]


def convert(
    predictions: Annotated[
        Path, typer.Argument(help="predictions.jsonl, as freeloc predict writes it, or its folder.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results, without an output of freeloc predict.")],
    formats: Formats,
    peaks: Peaks = 0,
    boxes: Boxes = 0,
    masks: Masks = False,
    mask_encoding: MaskEncodingOption = None,
    min_box_score: MinBoxScore = 0.35,
    threshold: Threshold = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which relative paths of images start. Default: the current folder, as in the "
            "prediction."
        ),
    ] = None,
    image_files: ImageFilesOption = "link",
    merge_sidecars: MergeSidecars = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Remove the earlier output in --out first: the files that its manifest lists.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write predictions in other formats, without the model."""
    from freeloc.prediction.convert import convert as run
    from freeloc.writers.base import WriterOptions

    options = WriterOptions(
        threshold=threshold,
        peaks=peaks,
        boxes=boxes,
        masks=masks,
        mask_encoding=mask_encoding,
        min_box_score=min_box_score,
        image_files=image_files,
        merge_sidecars=merge_sidecars,
    )
    run(predictions, out, formats, options, images=images, overwrite=overwrite, quiet=quiet)

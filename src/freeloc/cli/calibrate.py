"""``freeloc calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import (
    Data,
    FormatOption,
    Images,
    InferencePrecision,
    InferencePrecisionOption,
    ModelArgument,
    Quiet,
    Runtime,
    RuntimeOption,
    SkipBad,
    Split,
    Weights,
)

__all__ = ["calibrate"]


def calibrate(
    model: ModelArgument,
    data: Data,
    split: Split = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Model file to write; default: MODEL itself, or your own folder for one that comes with freeloc."
        ),
    ] = None,
    format_: FormatOption = "auto",
    images: Images = None,
    weights: Weights = None,
    runtime: RuntimeOption = Runtime.auto,
    precision: InferencePrecisionOption = InferencePrecision.auto,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
) -> None:
    """Make a model's probabilities true, by tagged images that it was not trained on; boxes are not read."""
    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.io.atomic import check_writable
    from freeloc.models.header import ModelFile
    from freeloc.posttraining.calibrate import calibrate as run

    if out is not None:
        check_writable(out)
    dataset = open_dataset(
        data,
        split=split,
        format=format_,
        images=images,
        classes=ModelFile.open(model).header.classes,
        boxes=False,
        skip_bad=skip_bad,
        checks=DatasetChecks(quiet=quiet),
    )
    run(
        model,
        dataset,
        out=out,
        weights=weights,
        runtime=runtime.value,
        precision=precision.value,
        quiet=quiet,
    )

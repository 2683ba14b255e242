"""``freeloc calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import (
    Data,
    Format,
    Images,
    InferencePrecision,
    MinusOne,
    ModelName,
    Quiet,
    Runtime,
    SkipBad,
    Split,
    Weights,
)

__all__ = ["calibrate"]


def calibrate(
    model: ModelName,
    data: Data,
    split: Split = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Model file to write. Default: MODEL itself; for a model that ships with freeloc, a copy in "
            "your models folder."
        ),
    ] = None,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    format_: Format = "auto",
    images: Images = None,
    minus_one: MinusOne = None,
    weights: Weights = None,
    runtime: Runtime = "auto",
    precision: InferencePrecision = "auto",
) -> None:
    """Calibrate a model's probabilities on tagged images that were not used for training. Boxes are not read."""
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
        skip_bad=skip_bad,
        checks=DatasetChecks(quiet=quiet, minus_one=minus_one),
    )
    run(model, dataset, out=out, weights=weights, runtime=runtime, precision=precision, quiet=quiet)

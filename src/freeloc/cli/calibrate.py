"""``freeloc calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import (
    Aliases,
    Ancestors,
    Classes,
    Data,
    FoldCase,
    Format,
    Images,
    InferencePrecision,
    MinImages,
    MinusOne,
    ModelName,
    Quiet,
    Runtime,
    SkipBad,
    Split,
    Untagged,
    Weights,
    read_classes,
)

__all__ = ["calibrate"]


def calibrate(
    model: ModelName,
    data: Data,
    split: Split = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Model file to write; an earlier file is kept beside it. Default: MODEL itself; for a model that "
            "ships with freeloc, a copy in your models folder, such as voc20-calibrated."
        ),
    ] = None,
    classes: Classes = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Calibrate even if the probabilities do not become better by cross-validation on DATA.",
        ),
    ] = False,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    format_: Format = "auto",
    images: Images = None,
    minus_one: MinusOne = None,
    ancestors: Ancestors = False,
    aliases: Aliases = None,
    fold_case: FoldCase = False,
    min_images: MinImages = 0,
    untagged: Untagged = "absent",
    weights: Weights = None,
    runtime: Runtime = "auto",
    precision: InferencePrecision = "auto",
) -> None:
    """Calibrate a model's probabilities on tagged images that were not used for training. Boxes are not read."""
    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.evaluation.common_classes import common_classes
    from freeloc.io.lock import check_free_file
    from freeloc.models.header import ModelFile
    from freeloc.posttraining.calibrate import calibrate as run
    from freeloc.posttraining.calibrate import calibrated_path

    if out is not None:
        check_free_file(out)
    file = ModelFile.open(model)
    check_free_file(calibrated_path(file.path, out))
    dataset = open_dataset(
        data,
        split=split,
        format=format_,
        images=images,
        classes=common_classes({model: file.header.classes}, read_classes(classes)),
        skip_bad=skip_bad,
        checks=DatasetChecks(quiet=quiet, minus_one=minus_one, ancestors=ancestors),
        aliases=aliases,
        fold_case=fold_case,
        min_images=min_images,
        untagged=untagged,
    )
    run(
        file.path,
        dataset,
        out=out,
        force=force,
        weights=weights,
        runtime=runtime,
        precision=precision,
        quiet=quiet,
    )

"""``freeloc reproduce``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import (
    Classes,
    FormatOption,
    Precision,
    PrecisionOption,
    Quiet,
    Runtime,
    RuntimeOption,
    SkipBad,
    Weights,
    read_classes,
)
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE

__all__ = ["reproduce"]


class StudyName(StrEnum):
    """Data sets of the paper, and their protocols."""

    voc2012 = "voc2012"
    voc2007 = "voc2007"
    coco2014 = "coco2014"
    coco2017 = "coco2017"


def reproduce(
    study: Annotated[StudyName, typer.Argument(help="Data set and protocol.")],
    root: Annotated[Path, typer.Option(help="VOC devkit or COCO root, or data laid out like one.")],
    out: Annotated[Path, typer.Option(help="Folder of models, rows, results.json and report.html.")],
    train_split: Annotated[str | None, typer.Option(help="Images to train on; default: the study's.")] = None,
    val_split: Annotated[str | None, typer.Option(help="Images to measure on; default: the study's.")] = None,
    rows: Annotated[
        str | None, typer.Option(help="Only these rows, such as full,weak,centre; default: all.")
    ] = None,
    format_: FormatOption = "auto",
    classes: Classes = None,
    backbone: Annotated[
        str, typer.Option(help="efficientnet_lite0, 1 or 2, alexnet, overfeat, or timm:NAME.")
    ] = DEFAULT_BACKBONE,
    weights: Weights = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the images of every model; default: its recipe's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, data and machine: same tables.")] = 0,
    runtime: RuntimeOption = Runtime.auto,
    precision: PrecisionOption = Precision.auto,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of feature caches; default: FREELOC_CACHE or ~/.cache/freeloc."),
    ] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples of every interval.", min=1)] = 1000,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
) -> None:
    """Train and measure every row of the paper's tables; what is there already is kept."""
    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.paper import Reproduction, Settings, chosen_rows, named_study, write_outcome

    protocol = named_study(study.value)
    chosen = chosen_rows(None if rows is None else tuple(part.strip() for part in rows.split(",") if part))
    train_set, val_set = (
        open_dataset(
            root,
            split=split,
            format=format_,
            classes=read_classes(classes),
            boxes=boxes,
            skip_bad=skip_bad,
            checks=DatasetChecks(for_training=learning, quiet=quiet),
        )
        for split, boxes, learning in (
            (train_split or protocol.train_split, any(row.boxes for row in chosen), True),
            (val_split or protocol.val_split, True, False),
        )
    )
    settings = Settings(
        backbone=backbone,
        weights=str(weights) if weights else None,
        epochs=epochs,
        seed=seed,
        runtime=runtime.value,
        precision=precision.value,
        cache=cache,
        resamples=resamples,
        quiet=quiet,
    )
    reproduction = Reproduction(protocol, train_set, val_set, out, settings)
    outcome = reproduction.run(chosen)
    write_outcome(outcome, val_set, reproduction.places, settings, split=val_split)

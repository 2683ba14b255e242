"""``freeloc reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from freeloc.cli.options import (
    CACHE,
    CacheFolder,
    Classes,
    Format,
    Precision,
    Quiet,
    RescaleBoxes,
    Runtime,
    SkipBad,
    Weights,
    read_classes,
)
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE

__all__ = ["reproduce"]

StudyName = Literal["voc2012", "voc2007", "coco2014", "coco2017", "paper-voc2012", "paper-coco2014"]


def reproduce(
    study: Annotated[
        StudyName,
        typer.Argument(
            help="Dataset and protocol of the paper. paper-voc2012 and paper-coco2014 also set --letter and the "
            "kind of network that the paper used, alexnet and overfeat."
        ),
    ],
    root: Annotated[Path, typer.Option(help="VOC devkit or COCO folder, or data with the same layout.")],
    out: Annotated[Path, typer.Option(help="Folder for models, table rows, results.json and report.html.")],
    train_split: Annotated[str | None, typer.Option(help="Split to train on. Default: the study's.")] = None,
    val_split: Annotated[str | None, typer.Option(help="Split to evaluate on. Default: the study's.")] = None,
    rows: Annotated[
        str | None, typer.Option(help="Table rows to reproduce, such as full,weak,center. Default: all.")
    ] = None,
    letter: Annotated[
        bool,
        typer.Option(
            "--letter",
            help="Train the paper's rows to the letter of the paper, but for the order of padding and resizing: "
            "all cells, scales drawn from 0.7 to 1.4, images resized to 500 pixels first, pooled padding. Takes "
            "several times as long.",
        ),
    ] = False,
    add_row: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="Add a row of another system's scores: the folder of VOC comp1 or comp2 classification files, or "
            "one of the files if the folder holds both sets. Repeatable. Default: none.",
        ),
    ] = None,
    fuse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ROW,ROW",
            help="Add a row that fuses the standardized scores of other rows. Repeatable. Default: none.",
        ),
    ] = None,
    classes: Classes = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help=f"Backbone, as in train. Default: {DEFAULT_BACKBONE}; alexnet with paper-voc2012, overfeat with "
            "paper-coco2014."
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Number of epochs for each model. Default: its recipe's.")
    ] = None,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    resamples: Annotated[
        int, typer.Option(help="Number of bootstrap resamples for each interval.", min=1)
    ] = 1000,
    seed: Annotated[
        int, typer.Option(help="Random seed. The same seed, data and machine type give the same tables.")
    ] = 0,
    format_: Format = "auto",
    rescale_boxes: RescaleBoxes = False,
    cache_folder: CacheFolder = None,
    cache_drawn: Annotated[
        bool,
        typer.Option(
            "--cache-drawn",
            help="With --letter, also store the features at drawn scales, one map per image and epoch, so that "
            "the rows share them.",
            rich_help_panel=CACHE,
        ),
    ] = False,
    weights: Weights = None,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
) -> None:
    """Train and evaluate the models of the paper's tables. Finished rows are stored and not recomputed."""
    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.io.lock import check_free_folder
    from freeloc.io.progress import print_status
    from freeloc.paper import (
        Reproduction,
        ReproductionSettings,
        find_preset,
        find_study,
        select_rows,
        write_outputs,
    )
    from freeloc.paper.extra_rows import AddedRow, FusedRow, check_extra_rows
    from freeloc.paper.requirements import check_packages
    from freeloc.paper.row_plans import check_drawn

    check_free_folder(out)
    protocol, preset = find_study(study), find_preset(study)
    if preset is not None:
        if preset.other_weights and backbone in (None, preset.backbone) and weights is None and not quiet:
            print_status(preset.other_weights)
        backbone, letter = backbone or preset.backbone, letter or preset.letter
    settings = ReproductionSettings(
        backbone=backbone or DEFAULT_BACKBONE,
        weights=weights,
        epochs=epochs,
        seed=seed,
        runtime=runtime,
        precision=precision,
        cache=cache_folder,
        cache_drawn=cache_drawn,
        resamples=resamples,
        quiet=quiet,
        add_row=tuple(map(AddedRow.parse, add_row or ())),
        fuse=tuple(map(FusedRow.parse, fuse or ())),
    )
    keys = None if rows is None else tuple(part.strip() for part in rows.split(",") if part.strip())
    chosen = select_rows(keys, letter=letter)
    check_drawn(chosen, cache_drawn=cache_drawn)
    check_packages(chosen)
    check_extra_rows(chosen, settings.add_row, settings.fuse)
    names = read_classes(classes)
    train_set = open_dataset(
        root,
        split=train_split or protocol.train_split,
        format=format_,
        classes=names,
        boxes=any(row.box_supervision for row in chosen),
        skip_bad=skip_bad,
        checks=DatasetChecks(for_training=True, quiet=quiet, rescale_boxes=rescale_boxes),
    )
    val_set = open_dataset(
        root,
        split=val_split or protocol.val_split,
        format=format_,
        classes=None if names is None else train_set.classes,
        boxes=True,
        skip_bad=skip_bad,
        checks=DatasetChecks(quiet=quiet, rescale_boxes=rescale_boxes, unannotated=True),
    )
    if rows is None and not val_set.has_labels:
        chosen = tuple(row for row in chosen if row.box_method is None)
        if not quiet:
            print_status(
                f"{val_set.name} has no annotations: only scores for its evaluation server are written"
            )
    reproduction = Reproduction(protocol, train_set, val_set, out, settings)
    with reproduction.lock():
        result = reproduction.run(chosen)
        write_outputs(result, val_set, reproduction.folder, settings, split=val_split)

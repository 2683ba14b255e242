"""``freeloc train``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from freeloc import _literals as choices
from freeloc.cli.interrupts import tell_after_interrupt
from freeloc.cli.options import (
    CACHE,
    RUNTIME,
    Aliases,
    Ancestors,
    BackboneName,
    CacheFolder,
    Classes,
    Data,
    FoldCase,
    Format,
    Images,
    MinImages,
    MinusOne,
    Precision,
    Quiet,
    RescaleBoxes,
    Runtime,
    SkipBad,
    Split,
    Untagged,
    Verbose,
    Weights,
    parse_numbers,
    parse_scales,
    read_classes,
)
from freeloc.cli.validation_options import (
    VALIDATION,
    Val,
    ValFormat,
    ValImages,
    ValSplit,
    describe,
    parse_val_split,
)
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from freeloc.datasets.training_data import DataOptions
    from freeloc.training.run_folder import RunFolder

__all__ = ["train"]

RECIPE: Final = "Recipe"
BACKBONE: Final = "Training the backbone"


def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Run folder for the model, manifest, log and checkpoint.")],
    split: Split = None,
    classes: Classes = None,
    backbone: BackboneName = DEFAULT_BACKBONE,
    recipe: Annotated[
        str, typer.Option(help="Recipe: default, paper (section 4 of the paper), or cam (average pooling).")
    ] = "default",
    epochs: Annotated[
        int | None,
        typer.Option(help="Number of epochs. Default: the recipe's, or more if there are few images."),
    ] = None,
    calibration_folds: Annotated[
        int,
        typer.Option(
            "--calibrate",
            metavar="FOLDS",
            help="Number of cross-validation folds, such as 5, for calibrating probabilities and thresholds; each "
            "fold adds a training run.",
            min=0,
        ),
    ] = 0,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Also create an int8 network, which predicts faster on most processors. Requires pip install "
            "'freeloc[int8]'.",
            rich_help_panel=RUNTIME,
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the run folder's checkpoint.")
    ] = False,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - acts by its callback
    format_: Format = "auto",
    images: Images = None,
    rescale_boxes: RescaleBoxes = False,
    minus_one: MinusOne = None,
    ancestors: Ancestors = False,
    aliases: Aliases = None,
    fold_case: FoldCase = False,
    min_images: MinImages = 0,
    untagged: Untagged = "absent",
    val: Val = None,
    val_split: ValSplit = None,
    val_format: ValFormat = "auto",
    val_images: ValImages = None,
    patience: Annotated[
        int,
        typer.Option(
            metavar="EPOCHS",
            help="With validation, number of epochs with an mAP below the best one after which training stops; 0 "
            "never stops it early.",
            min=0,
            rich_help_panel=VALIDATION,
        ),
    ] = 30,
    no_report: Annotated[
        bool,
        typer.Option(
            "--no-report",
            help="Do not write report.html and curve.svg to the run folder.",
            rich_help_panel=VALIDATION,
        ),
    ] = False,
    batch_size: Annotated[
        int | None, typer.Option(help="Images per mini-batch. Default: the recipe's.", rich_help_panel=RECIPE)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Peak learning rate of the head. Default: the recipe's.", rich_help_panel=RECIPE),
    ] = None,
    momentum: Annotated[
        float | None, typer.Option(help="Momentum of SGD. Default: the recipe's.", rich_help_panel=RECIPE)
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            help="Weight decay of the head's weights. Default: the recipe's.", rich_help_panel=RECIPE
        ),
    ] = None,
    hidden: Annotated[
        int | None,
        typer.Option(
            metavar="WIDTH",
            help="Width of the first adaptation layer, Ca; 0 makes the head a single linear layer. "
            "Default: the recipe's.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    feature_dropout: Annotated[
        float | None,
        typer.Option(
            metavar="PROBABILITY",
            help="Dropout of the features before the first adaptation layer. Default: the recipe's.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    hidden_dropout: Annotated[
        float | None,
        typer.Option(
            metavar="PROBABILITY",
            help="Dropout between the two adaptation layers. Default: the recipe's.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            help="How score maps are pooled into scores: max, lse, topk, average, or one from an installed "
            "package. Default: the recipe's.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    scales: Annotated[
        str | None,
        typer.Option(
            help="Training scales, such as 0.7,1,1.4; with --draw-scales or --no-cache, scales are drawn from the "
            "whole range. Default: the recipe's.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    padding: Annotated[
        choices.Padding | None,
        typer.Option(
            help="How images are padded. stride: to the backbone's stride; square: to the paper's square; both "
            "ignore the padding. paper: to the square, pooling the padding too. Default: the recipe's.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    resize: Annotated[
        choices.Resize | None,
        typer.Option(
            help="How images are resized. once: directly to each scale; paper: to 500 pixels first, then to each "
            "scale. Default: the recipe's.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    supervision: Annotated[
        choices.Supervision,
        typer.Option(
            help="tags: tags alone. For comparison, boxes as well: masked takes the maximum score of a present "
            "class only inside its boxes; masked_outside also penalizes the maximum score outside them.",
            rich_help_panel=RECIPE,
        ),
    ] = "tags",
    missing_tags: Annotated[
        choices.MissingTags,
        typer.Option(
            help="none: a class that an image is not tagged with is absent; expect: it is ignored if the image "
            "probably has it, for images of which people tagged only a part.",
            rich_help_panel=RECIPE,
        ),
    ] = "none",
    seed: Annotated[
        int,
        typer.Option(
            help="Random seed. The same seed, data and machine type give the same model.",
            rich_help_panel=RECIPE,
        ),
    ] = 0,
    snapshots: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS",
            help="Training steps after which to write a snapshot of the model, such as 0,210,4200. Default: none.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    trainable_backbone: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            help="First backbone stage to train: projection (default recipe), a number from 7 down to 1, or none. "
            "Default: the recipe's.",
            rich_help_panel=BACKBONE,
        ),
    ] = None,
    projection_learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Peak learning rate of the projection. Default: the recipe's.", rich_help_panel=BACKBONE
        ),
    ] = None,
    backbone_learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Peak learning rate of the other trained stages. Default: the recipe's.",
            rich_help_panel=BACKBONE,
        ),
    ] = None,
    cache_folder: CacheFolder = None,
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache",
            help="Recompute features in every epoch instead of caching them.",
            rich_help_panel=CACHE,
        ),
    ] = False,
    draw_scales: Annotated[
        bool,
        typer.Option(
            "--draw-scales",
            help="Draw the scale of each mini-batch from the whole range of --scales, as the paper does. The "
            "cache then grows with every epoch.",
            rich_help_panel=RECIPE,
        ),
    ] = False,
    cache_format: Annotated[
        choices.CacheFormat,
        typer.Option(
            help="int8 takes half the space of float16, at a small loss of accuracy.", rich_help_panel=CACHE
        ),
    ] = "float16",
    weights: Weights = None,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
) -> None:
    """Train a model on tagged images.

    Boxes are never read, unless --supervision is masked or masked_outside.
    """
    from freeloc.datasets.checks.classes import warn_of_untagged
    from freeloc.datasets.training_data import (
        open_for_training,
        open_for_validation,
        refuse_validation_options,
    )
    from freeloc.io.folders import expand_user
    from freeloc.io.progress import print_status
    from freeloc.io.stages import show_stages
    from freeloc.training.recipe import Recipe
    from freeloc.training.run_folder import RunFolder
    from freeloc.training.settings import TrainingSettings
    from freeloc.training.train import train as run

    fraction, val_name = parse_val_split(val_split, val)
    if val is None:
        refuse_validation_options({"val_format": val_format, "val_images": val_images})
    options: DataOptions = {
        "split": split,
        "classes": read_classes(classes),
        "rescale_boxes": rescale_boxes,
        "format": format_,
        "images": images,
        "skip_bad": skip_bad,
        "minus_one": minus_one,
        "ancestors": ancestors,
        "aliases": aliases,
        "fold_case": fold_case,
        "min_images": min_images,
        "untagged": untagged,
    }
    folder = RunFolder(expand_user(out))
    with tell_after_interrupt(partial(_stored, folder)), folder.lock(resume=resume):
        settings = TrainingSettings(
            backbone=backbone,
            weights=weights,
            recipe=Recipe.named(
                recipe,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                momentum=momentum,
                weight_decay=weight_decay,
                hidden=hidden,
                feature_dropout=feature_dropout,
                hidden_dropout=hidden_dropout,
                trainable_backbone=trainable_backbone,
                projection_learning_rate=projection_learning_rate,
                backbone_learning_rate=backbone_learning_rate,
                pooling=pooling,
                supervision=supervision,
                missing_tags=missing_tags,
                scales=parse_scales(scales),
                padding=padding,
                resize=resize,
            ),
            seed=seed,
            runtime=runtime,
            precision=precision,
            cache_features=not no_cache,
            draw_scales=draw_scales,
            cache_folder=cache_folder,
            cache_format=cache_format,
            snapshots=parse_numbers(snapshots or "", int, "snapshots", "0,210,4200"),
            calibration_folds=calibration_folds,
            val_split=fraction,
            patience=patience,
            int8=int8,
            report=not no_report,
        )
        further = {"calibration": calibration_folds, "int8": int8, "report": not no_report}
        stages = ("check", "features", "training", *(name for name, wanted in further.items() if wanted))
        with show_stages(stages, quiet=quiet):
            dataset = open_for_training(data, boxes=supervision != "tags", quiet=quiet, **options)
            warn_of_untagged(dataset)
            if not quiet:
                print_status(describe(dataset))
            validation = None
            if val is not None or val_name is not None:
                validation = open_for_validation(
                    data if val is None else val,
                    dataset.classes,
                    options,
                    split=val_name,
                    is_other=val is not None,
                    format=val_format,
                    images=val_images,
                    quiet=quiet,
                )
            run(dataset, out, settings, val=validation, resume=resume, quiet=quiet)


def _stored(folder: RunFolder, told: str | None) -> str:
    """Return what an interrupted run has stored, and how to continue it."""
    if folder.model.exists():
        return "the model is stored: --resume completes the run"
    if folder.checkpoint.exists():
        return "finished epochs are stored: continue with --resume"
    if folder.files_of_run:  # without the option, the folder would be refused
        return "no epoch is finished: continue with --resume"
    if told is None:
        return "no epoch is finished: run the same command again"
    return f"{told or 'nothing was stored'}: run the same command again"

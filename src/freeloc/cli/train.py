"""``freeloc train``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import (
    Classes,
    Data,
    FormatOption,
    Images,
    Precision,
    PrecisionOption,
    Quiet,
    Runtime,
    RuntimeOption,
    SkipBad,
    Split,
    Weights,
    parse_scales,
)
from freeloc.cli.training_data import describe, open_for_training
from freeloc.errors import FreelocError
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE

__all__ = ["train"]


class CacheFormat(StrEnum):
    """How features are kept."""

    float16 = "float16"
    int8 = "int8"


class Supervision(StrEnum):
    """What training is told of an image."""

    tags = "tags"
    masked = "masked"
    masked_outside = "masked_outside"


def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Run folder: model, manifest, log, checkpoint.")],
    split: Split = None,
    format_: FormatOption = "auto",
    images: Images = None,
    classes: Classes = None,
    backbone: Annotated[
        str, typer.Option(help="efficientnet_lite0, 1 or 2, alexnet, overfeat, or timm:NAME.")
    ] = DEFAULT_BACKBONE,
    weights: Weights = None,
    recipe: Annotated[
        str, typer.Option(help="default, paper (section 4), or cam (average pooling).")
    ] = "default",
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the images; default: the recipe's, more where they are few."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per mini-batch.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of SGD, at its peak.")] = None,
    trainable_backbone: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            help="Train the backbone, too, from this stage on: projection (costs nothing; the default recipe's), "
            "7 (last blocks) down to 1, or none.",
        ),
    ] = None,
    projection_learning_rate: Annotated[
        float | None, typer.Option(help="Of SGD on the backbone's projection, at its peak.")
    ] = None,
    backbone_learning_rate: Annotated[
        float | None, typer.Option(help="Of SGD on the backbone's other trained stages, at its peak.")
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(help="How a map becomes a score: max, lse, topk or average; default: the recipe's."),
    ] = None,
    supervision: Annotated[
        Supervision,
        typer.Option(
            help="tags, or with boxes for comparison: masked looks for a class on its boxes alone, masked_outside "
            "also pushes it down outside them."
        ),
    ] = Supervision.tags,
    scales: Annotated[
        str | None,
        typer.Option(
            help="Training scales, such as 0.7,1,1.4; with --no-cache, any between smallest and largest."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, data and machine: same model.")] = 0,
    runtime: RuntimeOption = Runtime.auto,
    precision: PrecisionOption = Precision.auto,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of feature caches; default: FREELOC_CACHE or ~/.cache/freeloc."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Make features on the fly and keep none.")
    ] = False,
    cache_format: Annotated[
        CacheFormat, typer.Option(help="How features are kept: int8 takes half of the room, at a small loss.")
    ] = CacheFormat.float16,
    snapshots: Annotated[
        str | None,
        typer.Option(
            metavar="ITERATIONS",
            help="Also write the model after these steps, such as 0,210,4200, into snapshots of the run folder.",
        ),
    ] = None,
    calibrate: Annotated[
        int,
        typer.Option(
            metavar="FOLDS",
            help="Then calibrate probabilities and thresholds by so many heads, such as 5, each trained on the "
            "rest: as many trainings more, and a search of up to 2000 images.",
            min=0,
        ),
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run folder's checkpoint.")] = False,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
) -> None:
    """Train on tagged images. Boxes, where the data has any, are read only if --supervision says so."""
    from freeloc.io.progress import print_status
    from freeloc.training.recipe import Recipe
    from freeloc.training.settings import TrainingSettings
    from freeloc.training.train import train as run

    chosen = Recipe.named(
        recipe,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        trainable_backbone=trainable_backbone,
        projection_learning_rate=projection_learning_rate,
        backbone_learning_rate=backbone_learning_rate,
        pooling=pooling,
        supervision=supervision.value,
        scales=parse_scales(scales),
    )
    settings = TrainingSettings(
        backbone=backbone,
        weights=weights,
        recipe=chosen,
        seed=seed,
        runtime=runtime.value,
        precision=precision.value,
        cache_features=not no_cache,
        cache_folder=cache,
        cache_format=cache_format.value,
        snapshots=_iterations(snapshots),
        calibration_folds=calibrate,
    )
    dataset = open_for_training(
        *(data, split, format_, images, classes),
        skip_bad=skip_bad,
        quiet=quiet,
        supervision=supervision.value,
    )
    if not quiet:
        print_status(describe(dataset))
    run(dataset, out, settings, resume=resume, quiet=quiet)


def _iterations(text: str | None) -> tuple[int, ...]:
    """``"210,510"`` as whole numbers; none of None.

    Raises:
        FreelocError: something in it is not a whole number.
    """
    try:
        return tuple(int(part) for part in (text or "").split(",") if part.strip())
    except ValueError as error:
        raise FreelocError(
            f"--snapshots {text} is not a list of whole numbers: write it like --snapshots 0,210,4200"
        ) from error

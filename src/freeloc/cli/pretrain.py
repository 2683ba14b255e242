"""``freeloc pretrain``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from freeloc import _literals as choices
from freeloc.cli.interrupts import tell_after_interrupt
from freeloc.cli.options import (
    Aliases,
    Ancestors,
    Classes,
    Data,
    FoldCase,
    Format,
    Images,
    MinImages,
    MinusOne,
    Quiet,
    SkipBad,
    Split,
    Untagged,
    parse_numbers,
    read_classes,
)

if TYPE_CHECKING:
    from freeloc.training.pretraining.pretrain import PretrainingFiles

__all__ = ["pretrain"]

NETWORK: Final = "Network"
STEPS: Final = "Steps"


def pretrain(
    data: Data,
    out: Annotated[Path, typer.Option(help="Weight file to write (.safetensors).")],
    split: Split = None,
    classes: Classes = None,
    epochs: Annotated[int, typer.Option(help="Number of epochs.")] = 90,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the checkpoint beside the weight file.")
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
    backbone: Annotated[
        choices.PretrainingBackbone, typer.Option(help="Backbone to pretrain.", rich_help_panel=NETWORK)
    ] = "alexnet",
    width: Annotated[
        int, typer.Option(help="Number of values of FC6 and of FC7.", rich_help_panel=NETWORK)
    ] = 4096,
    channels: Annotated[
        str, typer.Option(help="Numbers of channels of C1 to C5.", rich_help_panel=NETWORK)
    ] = "96,256,384,384,256",
    no_response_normalization: Annotated[
        bool,
        typer.Option(
            "--no-response-normalization",
            help="Leave out the local response normalization after C1 and C2.",
            rich_help_panel=NETWORK,
        ),
    ] = False,
    batch_size: Annotated[
        int, typer.Option(help="Images per step, of all processes together.", rich_help_panel=STEPS)
    ] = 128,
    learning_rate: Annotated[
        float, typer.Option(help="Learning rate of the first step.", rich_help_panel=STEPS)
    ] = 0.01,
    schedule: Annotated[
        choices.PretrainingSchedule,
        typer.Option(
            help="cosine: the learning rate falls to zero; step: it is divided by ten after each third of the "
            "steps.",
            rich_help_panel=STEPS,
        ),
    ] = "cosine",
    momentum: Annotated[float, typer.Option(help="Momentum of SGD.", rich_help_panel=STEPS)] = 0.9,
    weight_decay: Annotated[
        float, typer.Option(help="Weight decay of all weights but the biases.", rich_help_panel=STEPS)
    ] = 0.0005,
    dropout: Annotated[
        float, typer.Option(help="Dropout of the values of FC6 and of FC7.", rich_help_panel=STEPS)
    ] = 0.5,
    seed: Annotated[
        int,
        typer.Option(
            help="Random seed. The same seed, data and machine type give the same weights.",
            rich_help_panel=STEPS,
        ),
    ] = 0,
) -> None:
    """Pretrain the backbone alexnet on images with one class each.

    For example on the folders of ImageNet, of which each is a class. Use the weight file with
    --backbone alexnet --weights FILE. With torchrun, several processes share the work.
    """
    from freeloc.io.folders import expand_user
    from freeloc.training.pretraining.pretrain import PretrainingFiles
    from freeloc.training.pretraining.pretrain import pretrain as run
    from freeloc.training.pretraining.settings import PretrainingSettings

    settings = PretrainingSettings(
        backbone=backbone,
        width=width,
        channels=parse_numbers(channels, int, "channels", "96,256,384,384,256"),
        response_normalization=not no_response_normalization,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        momentum=momentum,
        weight_decay=weight_decay,
        dropout=dropout,
        seed=seed,
    )
    with tell_after_interrupt(partial(_stored, PretrainingFiles(expand_user(out)))):
        run(
            data,
            out,
            settings,
            resume=resume,
            quiet=quiet,
            split=split,
            format=format_,
            classes=read_classes(classes),
            images=images,
            skip_bad=skip_bad,
            minus_one=minus_one,
            ancestors=ancestors,
            aliases=aliases,
            fold_case=fold_case,
            min_images=min_images,
            untagged=untagged,
        )


def _stored(files: PretrainingFiles, _told: str | None) -> str:
    """Return what an interrupted run has stored, and how to continue it."""
    if files.weights.exists():
        return f"{files.weights} is written"
    if files.checkpoint.exists():
        return "finished epochs are stored: continue with --resume"
    return "no epoch is finished, so nothing was stored: run the same command again"

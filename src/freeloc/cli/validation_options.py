"""Options of ``freeloc train`` about validation images, and the line that describes a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from freeloc.errors import ConfigurationError

if TYPE_CHECKING:
    from freeloc.datasets import Dataset

__all__ = [
    "VALIDATION",
    "Val",
    "ValFormat",
    "ValImages",
    "ValSplit",
    "describe",
    "parse_val_split",
]

VALIDATION: Final = "Validation and report"

Val = Annotated[
    Path | None,
    typer.Option(
        metavar="DATA",
        help="Other tagged images, in any format, on which to measure the mAP after each epoch; the best epoch is "
        "kept. The options of tags apply to them, too. Default: none.",
        rich_help_panel=VALIDATION,
    ),
]
ValSplit = Annotated[
    str | None,
    typer.Option(
        metavar="FRACTION|SPLIT",
        help="Fraction of the images to hold out for validation, such as 0.1; or the split to use, such as val: "
        "of --val if it is set, otherwise of DATA. Default: none.",
        rich_help_panel=VALIDATION,
    ),
]
ValFormat = Annotated[str, typer.Option(help="Format of --val, as of --format.", rich_help_panel=VALIDATION)]
ValImages = Annotated[
    Path | None,
    typer.Option(
        help="Folder that contains the images of --val. Default: where they usually are.",
        rich_help_panel=VALIDATION,
    ),
]


def parse_val_split(text: str | None, val: Path | None) -> tuple[float | None, str | None]:
    """Return the fraction of the training images to hold out, or the split of the validation images.

    A whole number, such as 1, is the name of a split, because some lists number their splits.

    Raises:
        ConfigurationError: the text is a fraction that is not between 0 and 1, or one although there are separate
            validation images.
    """
    if text is None:
        return None, None
    try:
        fraction = float(text)
    except ValueError:
        return None, text
    if text.strip().isdecimal():
        return None, text
    if not 0 < fraction < 1:
        raise ConfigurationError(
            f"val_split is {text}: a fraction of the images must be between 0 and 1, such as 0.1",
            parameter="val_split",
        )
    if val is not None:
        raise ConfigurationError(
            f"val_split is {text}, but val specifies other images for validation: hold out a fraction of the "
            "training images, or use others",
            parameter="val_split",
        )
    return fraction, None


def describe(dataset: Dataset) -> str:
    """Return one line that states the numbers of images, classes and skipped images."""
    from freeloc.io.progress import pluralize

    skipped = f", {pluralize(dataset.skipped, 'bad image')} skipped" if dataset.skipped else ""
    classes = "1 class" if len(dataset.classes) == 1 else f"{len(dataset.classes)} classes"
    return f"{dataset.name}: {pluralize(len(dataset), 'image')}, {classes}{skipped}"

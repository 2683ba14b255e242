"""``freeloc quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import ModelArgument, Quiet, Weights

__all__ = ["quantize"]


def quantize(
    model: ModelArgument,
    images: Annotated[
        list[str],
        typer.Argument(help="Images like those to predict: files, folders, or quoted glob patterns."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Model file to write; default: MODEL itself, or your own folder for one that comes with freeloc."
        ),
    ] = None,
    calibration_images: Annotated[
        int, typer.Option(help="Calibrate on so many of them, drawn at random.", min=1)
    ] = 64,
    weights: Weights = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Give a model an int8 network, for --precision int8 and the presets fast and balanced."""
    from freeloc.images.find import find_images
    from freeloc.posttraining.quantize import quantize as run

    paths = find_images(images).paths
    run(model, paths, out=out, weights=weights, calibration_images=calibration_images, seed=seed, quiet=quiet)

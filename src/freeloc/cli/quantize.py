"""``freeloc quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.image_arguments import Recursive, read_image_arguments
from freeloc.cli.options import ModelName, Quiet, Weights

__all__ = ["quantize"]


def quantize(
    model: ModelName,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...",
            help="Images similar to those you will run the model on: files, folders, quoted glob patterns, @FILE "
            "with one path per line, or - for such a list on standard input. Tags are not read.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Model file to write. Default: MODEL itself; for a model that ships with freeloc, a copy in "
            "your models folder, such as voc20-int8."
        ),
    ] = None,
    calibration_images: Annotated[
        int, typer.Option(help="Number of randomly drawn images on which value ranges are measured.", min=1)
    ] = 192,
    seed: Annotated[int, typer.Option(help="Random seed for drawing the images.")] = 0,
    recursive: Recursive = True,
    quiet: Quiet = False,
    weights: Weights = None,
) -> None:
    """Add an int8 network to a model, which is fastest on most processors."""
    from freeloc.io.lock import check_free_file
    from freeloc.models.registry import find_model
    from freeloc.training.quantization.requirements import check_quantization_available

    if out is not None:
        check_free_file(out)
    check_quantization_available()
    source = find_model(model)

    from freeloc.posttraining.quantize import quantize as run
    from freeloc.posttraining.quantize import quantized_path

    check_free_file(quantized_path(source, out))
    paths = read_image_arguments(images, recursive=recursive, quiet=quiet)
    run(
        source, paths, out=out, weights=weights, calibration_images=calibration_images, seed=seed, quiet=quiet
    )

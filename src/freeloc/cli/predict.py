"""``freeloc predict``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import (
    InferencePrecision,
    InferencePrecisionOption,
    ModelArgument,
    PresetOption,
    Quiet,
    Runtime,
    RuntimeOption,
    ScalesOption,
    SkipBad,
    Weights,
    parse_scales,
)

__all__ = ["predict"]


class Location(StrEnum):
    """The way to the point."""

    fused = "fused"
    paper = "paper"


class MapSize(StrEnum):
    """Resolution of written maps."""

    image = "image"
    lattice = "lattice"


def predict(
    model: ModelArgument,
    images: Annotated[list[str], typer.Argument(help="Images, folders, or quoted glob patterns.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for predictions.jsonl, overlays and maps; default: print what is found, as JSON lines "
            "where standard output is no terminal."
        ),
    ] = None,
    preset: PresetOption = None,
    scales: ScalesOption = None,
    location: Annotated[
        Location,
        typer.Option(help="fused: arg-max of all scales' averaged maps; paper: arg-max over all scales."),
    ] = Location.fused,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Probability from which a class counts as present; default: the model's, for each class."
        ),
    ] = None,
    peaks: Annotated[int, typer.Option(help="Several points a class: at most so many.", min=0)] = 0,
    boxes: Annotated[
        int, typer.Option(help="Boxes around the objects of a class: at most so many.", min=0)
    ] = 0,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="What to write: jsonl, console, overlays, npz, or a writer of an installed package; repeatable. "
            "Default: jsonl with --out, console without.",
        ),
    ] = None,
    overlay: Annotated[
        bool,
        typer.Option(
            "--overlay", help="Also write an overlay per image: map and yellow cross of each present class."
        ),
    ] = False,
    maps: Annotated[bool, typer.Option("--maps", help="Also write the score maps as .npz.")] = False,
    map_size: Annotated[
        MapSize,
        typer.Option(help="image: present classes, every pixel; lattice: all classes, the raster as it is."),
    ] = MapSize.image,
    weights: Weights = None,
    runtime: RuntimeOption = Runtime.auto,
    precision: InferencePrecisionOption = InferencePrecision.auto,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
) -> None:
    """Scores, points and maps of every class for images."""
    from freeloc.images.find import find_images
    from freeloc.inference.localizer import Localizer
    from freeloc.io.progress import pluralize, print_status
    from freeloc.prediction.predict_files import PredictionOptions, predict_files
    from freeloc.writers.overlays import OVERLAYS_FOLDER

    chosen = formats or ["console" if out is None else "jsonl"]
    options = PredictionOptions(
        threshold=threshold,
        peaks=peaks,
        boxes=boxes,
        map_size=map_size.value,
        formats=(*chosen, *["overlays"] * overlay, *["npz"] * maps),
        skip_bad=skip_bad,
    )
    found = find_images(images, exclude=None if out is None else out / OVERLAYS_FOLDER)
    for suffix, count in sorted(found.unsupported.items()):
        print_status(
            f"left out: {pluralize(count, f'{suffix} file')}, a kind freeloc does not read: convert to JPEG"
        )
    localizer = Localizer.load(
        model,
        weights=weights,
        scales=parse_scales(scales),
        preset=None if preset is None else preset.value,
        location=location.value,
        runtime=runtime.value,
        precision=precision.value,
    )
    predict_files(localizer, found.paths, out, options, quiet=quiet)

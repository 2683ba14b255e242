"""``freeloc evolution``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.image_arguments import Recursive, read_image_arguments
from freeloc.cli.options import Quiet, Weights, parse_numbers

__all__ = ["evolution"]


def evolution(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Run folder of freeloc train --snapshots; it need not be finished."
        ),
    ],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...",
            help="Up to 12 images, such as training images of the class: files, folders, quoted glob patterns, "
            "@FILE with one path per line, or - for such a list on standard input.",
        ),
    ],
    class_name: Annotated[
        str, typer.Option("--class", metavar="NAME", help="Class whose score maps are drawn.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="PNG or SVG file to write. Default: evolution.png in RUN.")
    ] = None,
    snapshots: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS",
            help="Training steps of the snapshots to draw, such as 0,210,4200. Default: up to five, between which "
            "the maps change by about the same amount.",
        ),
    ] = None,
    recursive: Recursive = True,
    quiet: Quiet = False,
    weights: Weights = None,
) -> None:
    """Draw how the score maps of a class evolve during training, as in the paper's Figure 1."""
    from freeloc.io.progress import print_status
    from freeloc.paper.run_evolution import draw_evolution, figure_path

    steps = parse_numbers(snapshots or "", int, "snapshots", "0,210,4200")
    figure_path(run, out)
    paths = read_image_arguments(images, recursive=recursive, quiet=quiet)
    written = draw_evolution(run, paths, class_name, out, snapshots=steps, weights=weights, quiet=quiet)
    if not quiet:
        print_status(f"wrote {written}")

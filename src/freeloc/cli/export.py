"""``freeloc export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import (
    Location,
    ModelName,
    Preset,
    Quiet,
    Scales,
    Weights,
    parse_scales,
    parse_size,
)

__all__ = ["export"]


def export(
    model: ModelName,
    onnx: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="ONNX file to write, for ONNX Runtime in any language and in browsers. Default: none.",
        ),
    ] = None,
    openvino: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="OpenVINO file to write, .xml; the weights are written beside it as .bin. Default: none.",
        ),
    ] = None,
    preset: Preset = None,
    scales: Scales = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Width and height of all images, for runtimes that require static shapes; only with one scale. "
            "Default: images of any size.",
        ),
    ] = None,
    location: Location = "fused",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Quiet = False,
    weights: Weights = None,
) -> None:
    """Write a model as a file that other programs run without freeloc."""
    from freeloc.posttraining.export.requirements import check_export_available

    check_export_available()

    from freeloc.io.progress import print_status
    from freeloc.posttraining.export.export_model import export_model

    files = export_model(
        model,
        onnx=onnx,
        openvino=openvino,
        scales=parse_scales(scales),
        preset=preset,
        size=parse_size(size),
        weights=weights,
        overwrite=overwrite,
        location=location,
    )
    for path in files if not quiet else ():
        print_status(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")

"""Options that several commands share, with one name, one default and one help text each."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from freeloc.errors import FreelocError

__all__ = [
    "Classes",
    "Data",
    "FormatOption",
    "Images",
    "InferencePrecision",
    "InferencePrecisionOption",
    "ModelArgument",
    "Precision",
    "PrecisionOption",
    "Preset",
    "PresetOption",
    "Quiet",
    "Runtime",
    "RuntimeOption",
    "ScalesOption",
    "SkipBad",
    "Split",
    "Weights",
    "parse_scales",
    "read_classes",
]


class Preset(StrEnum):
    """How much an image is looked at."""

    fast = "fast"
    balanced = "balanced"
    best = "best"


class Runtime(StrEnum):
    """Who executes the network."""

    auto = "auto"
    torch = "torch"
    openvino = "openvino"


class Precision(StrEnum):
    """Arithmetic of the network."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


class InferencePrecision(StrEnum):
    """Arithmetic of prediction."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    int8 = "int8"


Data = Annotated[
    Path,
    typer.Argument(
        help="Pascal VOC devkit, COCO instances JSON or root, tag list (.csv, .jsonl), or a folder of images."
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        help="Model file, run folder that freeloc train wrote, or a name that freeloc models lists."
    ),
]
Split = Annotated[
    str | None, typer.Option(help="Part of the data, such as train or val. Default: all of it.")
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format", help="Format of DATA: auto, voc, coco, tags, or one that an installed package adds."
    ),
]
Images = Annotated[
    Path | None, typer.Option(help="Folder of the images, where it is not the data set's own.")
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Go on without bad images and say how many there were.")
]
Classes = Annotated[
    Path | None, typer.Option(help="Text file with one class name a line; default: all the data's.")
]
Weights = Annotated[
    Path | None,
    typer.Option(help="Local weight file of the backbone (.pth or .safetensors; overfeat: net_weight_1)."),
]
RuntimeOption = Annotated[
    Runtime,
    typer.Option("--runtime", help="Who executes the network: auto is torch on a GPU, OpenVINO else."),
]
PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="Arithmetic: auto is bfloat16 where the hardware has it.")
]
InferencePrecisionOption = Annotated[
    InferencePrecision,
    typer.Option(
        "--precision",
        help="Arithmetic: auto is bfloat16 where the hardware has it; int8 needs freeloc quantize.",
    ),
]
ScalesOption = Annotated[
    str | None,
    typer.Option("--scales", help="Scales to look at, such as 0.5,1,2; default: the model's own."),
]
PresetOption = Annotated[
    Preset | None,
    typer.Option(help="Scales by name: fast or balanced (int8 where the model has it), or best, its own."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def read_classes(path: Path | None) -> tuple[str, ...] | None:
    """Class names of a text file, one a line, blank lines left out; None stays None.

    Raises:
        FreelocError: the file cannot be read, or holds no name.
    """
    if path is None:
        return None
    try:
        names = tuple(line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise FreelocError(f"--classes {path} cannot be read ({error}): give a text file") from error
    if not names:
        raise FreelocError(f"--classes {path} holds no class name: write one a line")
    return names


def parse_scales(text: str | None) -> tuple[float, ...] | None:
    """``"0.5,1,2"`` as numbers; None stays None.

    Raises:
        FreelocError: something in it is not a number, or there is nothing in it.
    """
    if text is None:
        return None
    try:
        scales = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise FreelocError(
            f"--scales {text} is not a list of numbers: write it like --scales 0.5,1,2"
        ) from error
    if not scales:
        raise FreelocError("--scales is empty: give at least one scale, such as 1.0")
    return scales

"""Options shared by several commands, so that each option has the same name, default and help text everywhere.

``--help`` lists the most frequently used options first and groups the others in panels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from freeloc import _literals as choices
from freeloc.errors import ConfigurationError
from freeloc.io.limits import check_resources

__all__ = [
    "CACHE",
    "DATA",
    "RUNTIME",
    "Aliases",
    "Ancestors",
    "BackboneName",
    "CacheFolder",
    "Classes",
    "Data",
    "FoldCase",
    "Format",
    "Images",
    "InferencePrecision",
    "Location",
    "MinImages",
    "MinusOne",
    "ModelName",
    "Point",
    "Precision",
    "Preset",
    "Quiet",
    "RescaleBoxes",
    "Runtime",
    "Scales",
    "SkipBad",
    "Split",
    "Untagged",
    "Verbose",
    "Weights",
    "complete_backbone",
    "complete_model",
    "parse_numbers",
    "parse_scales",
    "parse_size",
    "read_classes",
]

Number = TypeVar("Number", int, float)

DATA: Final = "Data layout"
RUNTIME: Final = "Network and hardware"
CACHE: Final = "Feature cache"

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Pascal VOC devkit, COCO JSON file or folder, tag list (.csv, .jsonl), or folder of images.",
    ),
]


def complete_model(incomplete: str) -> list[str]:
    """Return the names of models that begin with ``incomplete``, for completion in the shell."""
    from freeloc.models.registry import named_models

    return [model.name for model in named_models() if model.name.startswith(incomplete)]


ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Model file, run folder of freeloc train, or a name from freeloc models.",
        autocompletion=complete_model,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(help="Split to use, such as train or val. Default: the only split, or the whole tag list."),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        help="Format of DATA: auto, voc, coco, tags, folders (each folder is a class), keywords (in images or XMP "
        "sidecars), txt (a text file of tags next to each image), label_studio, cvat, roboflow, open_images, "
        "labelme, datumaro, or one from an installed package.",
        rich_help_panel=DATA,
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Folder that contains the images. Default: where DATA usually has them.", rich_help_panel=DATA
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Classes to use: names separated by commas, or a UTF-8 text file with one name per line. Default: "
        "all.",
    ),
]
RescaleBoxes = Annotated[
    bool,
    typer.Option(
        "--rescale-boxes",
        help="Rescale the boxes of images that were resized uniformly after annotation, instead of reporting each "
        "such image.",
        rich_help_panel=DATA,
    ),
]
MinusOne = Annotated[
    choices.MinusOne | None,
    typer.Option(
        help="What -1 means in a tag list with one column per class: absent (0: unknown) or unknown (0: absent). "
        "Default: absent, if the list has -1.",
        rich_help_panel=DATA,
    ),
]
Ancestors = Annotated[
    bool,
    typer.Option(
        "--ancestors",
        help="Read every level of a keyword, or of a choice in a taxonomy of Label Studio, as a tag: Animals and "
        "Dog for Animals/Dog. Default: only the last.",
        rich_help_panel=DATA,
    ),
]
Aliases = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Other names of classes: a CSV file with a tag and its class on each line, or a JSON file with a "
        "list of names per class. A tag without a class is left out. Default: none.",
        rich_help_panel=DATA,
    ),
]
FoldCase = Annotated[
    bool,
    typer.Option(
        "--fold-case",
        help="Make one class of tags that differ only in case; the most frequent spelling names it.",
        rich_help_panel=DATA,
    ),
]
MinImages = Annotated[
    int,
    typer.Option(
        metavar="COUNT",
        help="Leave out classes in fewer images than this.",
        min=0,
        rich_help_panel=DATA,
    ),
]
Untagged = Annotated[
    choices.Untagged,
    typer.Option(
        help="What an image without any tag says about every class: that it is absent from it, or unknown.",
        rich_help_panel=DATA,
    ),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip unreadable images and report how many.")]


def complete_backbone(incomplete: str) -> list[str]:
    """Return the names of backbones that begin with ``incomplete``, for completion in the shell."""
    from freeloc.nn.backbones.catalog import CATALOG

    return [facts.name for facts in CATALOG if facts.name.startswith(incomplete)]


BackboneName = Annotated[
    str,
    typer.Option(
        help="Backbone: efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, another name from freeloc "
        "backbones, or timm:NAME.",
        autocompletion=complete_backbone,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Local file with the backbone's weights (.pth or .safetensors; for alexnet, of any AlexNet-like "
        "network; for overfeat, net_weight_1). Default: the published weights.",
        rich_help_panel=RUNTIME,
    ),
]
Runtime = Annotated[
    choices.Runtime,
    typer.Option(
        help="Library that runs the network: torch, openvino, or auto (torch on a GPU, OpenVINO otherwise).",
        rich_help_panel=RUNTIME,
    ),
]
Precision = Annotated[
    choices.Precision,
    typer.Option(
        help="Arithmetic precision: float32, bfloat16, or auto (the faster one on this processor).",
        rich_help_panel=RUNTIME,
    ),
]
InferencePrecision = Annotated[
    choices.InferencePrecision,
    typer.Option(
        help="Arithmetic precision: float32, bfloat16, int8 (only for models with an int8 network; see freeloc "
        "quantize), or auto (the fastest one that the model and this processor have).",
        rich_help_panel=RUNTIME,
    ),
]
Scales = Annotated[
    str | None,
    typer.Option(help="Scales, such as 0.5,1,2. Default: the model's.", rich_help_panel=RUNTIME),
]
Location = Annotated[
    choices.LocationMode,
    typer.Option(
        help="How points are located. fused: maximum of the map averaged over scales; paper: maximum over the "
        "maps of all scales.",
        rich_help_panel=RUNTIME,
    ),
]
Point = Annotated[
    choices.PointKind,
    typer.Option(
        help="Which place of an object its point is. salient: the highest place of the map, such as a face; "
        "central: farther inside the object, as a prompt for a segmentation model; only for fused locations.",
        rich_help_panel=RUNTIME,
    ),
]
PeakThreshold = Annotated[
    float,
    typer.Option(
        help="Minimum value of a peak, as a fraction of the map's maximum. With a higher one, fewer peaks lie "
        "beside the objects, and more objects have none; to count objects, use 0.8 or more.",
        rich_help_panel=RUNTIME,
    ),
]
Preset = Annotated[
    choices.Preset | None,
    typer.Option(
        help="Named choice of scales: fast uses one, balanced up to three, best all of the model's. Default: the "
        "model's scales."
    ),
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder for the feature caches. Default: FREELOC_CACHE, or the user's cache folder.",
        rich_help_panel=CACHE,
    ),
]


def _hide_messages(quiet: bool) -> bool:
    """Hide the messages of all modules; the commands hide progress."""
    from freeloc.cli.process import be_quiet

    if quiet:
        be_quiet()
    return quiet


Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but results and errors.", callback=_hide_messages),
]


def _show_details(verbose: bool) -> bool:
    """Show the messages of all modules about what they choose."""
    from freeloc.cli.process import be_verbose

    if verbose:
        be_verbose()
    return verbose


Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Also print what is chosen automatically, such as the precision, and why.",
        callback=_show_details,
        rich_help_panel=RUNTIME,
    ),
]


def read_classes(text: str | None) -> tuple[str, ...] | None:
    """Return the class names in a comma-separated list or in a text file; None if ``text`` is None.

    An existing file takes precedence over a class of that name. In a file, each line that is not blank is one
    name, which may contain commas. A word with a path separator, or one that ends in ``.txt``, is always a file.

    Raises:
        ConfigurationError: the file cannot be read, or there are no names.
    """
    from freeloc.io.folders import expand_user
    from freeloc.io.paths import is_file

    if text is None:
        return None
    path = expand_user(text)
    looks_like_a_file = "," not in text and (
        path.name != text or text == "-" or path.suffix.lower() == ".txt"
    )
    if is_file(path) or looks_like_a_file:
        return _read_class_file(path)
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise ConfigurationError(
            "classes is empty: specify names separated by commas, such as dog,cat, or a text file",
            parameter="classes",
        )
    return names


def _read_class_file(path: Path) -> tuple[str, ...]:
    from freeloc.io.regular_file import read_regular

    try:
        text = read_regular(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        check_resources(error)
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"cannot read the class file {path} ({reason}): it must be a UTF-8 text file; to name classes "
            "instead, separate them with commas",
            parameter="classes",
        ) from error
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise ConfigurationError(
            f"the class file {path} contains no class names: write one per line", parameter="classes"
        )
    return names


def parse_scales(text: str | None) -> tuple[float, ...] | None:
    """Parse a comma-separated list of scales such as ``"0.5,1,2"``; return None if the text is None.

    Raises:
        ConfigurationError: a part of the text is not a number, or the text contains no numbers.
    """
    if text is None:
        return None
    scales = parse_numbers(text, float, "scales", "0.5,1,2")
    if not scales:
        raise ConfigurationError(
            "scales is empty: specify at least one scale, such as 1.0", parameter="scales"
        )
    return scales


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Parse the width and height of an image, such as ``"640x480"``; return None if the text is None.

    Raises:
        ConfigurationError: the text is not of this form.
    """
    if text is None:
        return None
    width, times, height = text.lower().replace("×", "x").partition("x")
    if not (times and width.isdecimal() and height.isdecimal()):
        raise ConfigurationError(
            f"size is {text!r}: write width and height in pixels like 640x480", parameter="size"
        )
    return int(width), int(height)


def parse_numbers(text: str, number: type[Number], parameter: str, example: str) -> tuple[Number, ...]:
    """Parse a comma-separated list of numbers.

    Raises:
        ConfigurationError: a part of the text is not a number of the requested type.
    """
    try:
        return tuple(number(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        kind = "whole numbers" if number is int else "numbers"
        raise ConfigurationError(
            f"{parameter} is {text!r}, which is not a list of {kind}: write it like {example}",
            parameter=parameter,
        ) from error

"""Options of what is written, shared by ``freeloc predict`` and ``freeloc convert``."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import typer

from freeloc import _literals as choices

__all__ = [
    "OUTPUT",
    "Boxes",
    "Formats",
    "ImageFilesOption",
    "MaskEncodingOption",
    "Masks",
    "MergeSidecars",
    "MinBoxScore",
    "Peaks",
    "Threshold",
]

OUTPUT: Final = "Output"
"""Panel of the help."""

Peaks: TypeAlias = Annotated[
    int,
    typer.Option(
        help="Maximum number of peaks per class, in every output format: the point, and then local maxima of the "
        "map of the largest scales, in which objects side by side are apart.",
        min=0,
    ),
]

Boxes: TypeAlias = Annotated[
    int,
    typer.Option(
        help="Maximum number of boxes per class, in the same places as peaks. With formats that consist of boxes, "
        "such as yolo, 0 means 8.",
        min=0,
    ),
]

Masks: TypeAlias = Annotated[
    bool, typer.Option("--masks", help="Write the pixels of each present class, in formats that hold them.")
]

MaskEncodingOption: TypeAlias = Annotated[
    choices.MaskEncoding | None,
    typer.Option(
        help="How annotations contain masks. polygon: outlines; rle: exact pixels, run-length encoded. Default: "
        "the usual one of each format.",
        rich_help_panel=OUTPUT,
    ),
]

MinBoxScore: TypeAlias = Annotated[
    float,
    typer.Option(
        help="Minimum score of the boxes in annotations. Records and results for evaluation contain all boxes.",
        rich_help_panel=OUTPUT,
    ),
]

ImageFilesOption: TypeAlias = Annotated[
    choices.ImageFiles,
    typer.Option(
        help="What is written of the image files, in formats that are read together with them. link: symbolic "
        "links; copy: copies; none: nothing.",
        rich_help_panel=OUTPUT,
    ),
]

MergeSidecars: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--merge-sidecars",
        help="With the format xmp, write sidecars that also contain everything that existing ones contain, and "
        "the keywords in the images.",
        rich_help_panel=OUTPUT,
    ),
]

Threshold: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Minimum probability for a class to count as present. Default: the model's threshold for each class."
    ),
]

Formats: TypeAlias = Annotated[
    list[str],
    typer.Option(
        "--format",
        metavar="NAME",
        help="What to write: the name of a format. Repeatable.",
        rich_help_panel=OUTPUT,
    ),
]

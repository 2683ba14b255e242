"""The part of the page of results that is about looking coarsely first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from benchmarks.markdown import QUICK, scale_list, table

__all__ = ["coarse_to_fine_blocks"]

_MEASURES = ("classification", "location", "pointing")
_TITLES = ("classification mAP", "location mAP", "pointing game")
_STOP_TITLES = ("first", "second", "margin", "go on", "pixels", *_TITLES)

Section: TypeAlias = Mapping[str, Any]


def coarse_to_fine_blocks(section: Section) -> Iterator[str]:
    """Blocks of Markdown, to be joined by empty lines.

    Args:
        section: what ``benchmarks.json`` holds under "coarse_to_fine".
    """
    yield "## Coarse first, fine where needed"
    if section["quick"]:
        yield QUICK
    subject = section["subject"]
    yield (
        f"Would it pay to look at an image again only where a first look leaves doubt? Backbone "
        f"`{subject['backbone']}`, {section['images']} images of {subject['data']}; pixels are shares of "
        "those at all six scales. Behind a figure, in brackets: how far it lies above the line through the best "
        "fixed sets of scales at as many pixels, ± the standard error of that difference over "
        f"{section['resamples']} draws of the images. All thresholds tried are shown."
    )
    yield from _fixed(section)
    yield from _early_stop(section)
    yield from _one_class(section)
    yield from _regions(section)


def _fixed(section: Section) -> Iterator[str]:
    yield "### Fixed sets of scales"
    yield "Those that no other beats in pixels and in one of the measures at once; that one in bold."
    yield table(
        ("scales", "pixels", *_TITLES),
        [
            (
                scale_list(row["scales"]),
                f"{row['pixels']:.1f}%",
                *(
                    f"**{row[name]:.1f}**" if name in row["best_in"] else f"{row[name]:.1f}"
                    for name in _MEASURES
                ),
            )
            for row in section["fixed"]
            if row["best_in"]
        ],
    )


def _early_stop(section: Section) -> Iterator[str]:
    yield "### Early stop"
    yield (
        "An image goes on from the first set of scales to the second where some class's score is nearer to 0 "
        "than the margin. *Shifted*: classification and location mAP where the scores of images that stop "
        "are moved, class by class, by what more scales add on average, learnt from "
        f"{section['learnt_from']} images of the training split."
    )
    yield table(
        (*_STOP_TITLES, "shifted"),
        [
            (
                *_stop(row),
                f"{row['shifted']['classification']:.1f}, {row['shifted']['location']:.1f}",
            )
            for row in section["early_stop"]
        ],
    )


def _one_class(section: Section) -> Iterator[str]:
    yield "### One class"
    yield (
        "As above for a single wanted class: an image goes on where the class's score is above minus the "
        "margin. Every class takes its turn; pixels are means over classes. Not to compute the other "
        f"{section['subject']['classes'] - 1} classes would by itself save {section['class_share']:g}% of the "
        "operations: only the last convolution knows classes."
    )
    yield table(_STOP_TITLES, [tuple(_stop(row)) for row in section["one_class"]])


def _stop(row: Section) -> Iterator[str]:
    yield scale_list(row["first"])
    yield scale_list(row["second"])
    yield f"{row['margin']:g}"
    yield f"{row['go_on']:.0f}%"
    yield f"{row['pixels']:.1f}%"
    yield from _figures(row)


def _regions(section: Section) -> Iterator[str]:
    yield "### Regions"
    yield (
        "The fine scale is computed only in a rectangle around places where a class's fused map of the first "
        "scales reaches the threshold and, in the column *near*, a share of its own highest value. "
        f"{section['context']} cells of context are paid for on every side. This is an estimate from maps of "
        "whole canvases. With a margin: only in images where some class is undecided."
    )
    yield table(
        ("first", "fine", "threshold", "near", "margin", "pixels", *_TITLES),
        [
            (
                scale_list(row["first"]),
                scale_list(row["fine"]),
                f"{row['threshold']:g}",
                f"{row['near']:g}",
                f"{row['margin']:g}" if "margin" in row else "",
                f"{row['pixels']:.1f}%",
                *_figures(row),
            )
            for row in (*section["regions"], *section["both"])
        ],
    )


def _figures(row: Section) -> Iterator[str]:
    for name in _MEASURES:
        above, error = row["above"][name]
        yield f"{row[name]:.1f} ({above:+.1f} ± {error:.1f})"

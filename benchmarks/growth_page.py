"""The part of the page of results that is about many images, and about large ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from benchmarks.markdown import QUICK, figure, number, scale_list, table

__all__ = ["JPEG", "PNG", "START_UP", "growth_blocks"]

# The cases that are run by themselves.
START_UP = "one image"
JPEG = "one large image, JPEG"
PNG = "one large image, PNG"

_PROMISED = {START_UP: "< 3 s", JPEG: "< 2,000 MB", PNG: "< 2,000 MB"}

Section: TypeAlias = Mapping[str, Any]


def growth_blocks(section: Section) -> Iterator[str]:
    """Blocks of Markdown, to be joined by empty lines.

    Args:
        section: what ``benchmarks.json`` holds under "growth".
    """
    subject = section["subject"]
    head = "trained" if subject["trained"] else "not trained"
    yield "## Many images, and large ones"
    if section["quick"]:
        yield QUICK
    yield (
        f"`freeloc predict` as a process of its own, {section['rounds']} rounds: backbone "
        f"`{subject['backbone']}`, "
        f"{subject['classes']} classes ({head}), {subject['precision']}, images of {section['data']}. "
        "Seconds are those from the start of the process to its end; memory is the most that the system says it "
        "ever held, the highest of the rounds, in millions of bytes. A run before the first round kept the "
        "compiled graph."
    )
    yield from _counts(section)
    yield from _cases(section)


def _counts(section: Section) -> Iterator[str]:
    rows = section["counts"]
    first, last = rows[0], rows[-1]
    yield "### Many"
    yield (
        f"The same {section['album']} images over and over under other names, looked at at scale "
        f"{section['scale']:g} alone: this shows whether pace and memory stay, not how fast freeloc is. Start-up, "
        "which is a run over two images in the same round, is taken off the time an image."
    )
    yield table(
        ("images", "images / s", "ms an image", "seconds in all", "peak MB"),
        [
            (
                f"{row['count']:,}",
                _rate(row["ms_per_image"]["median"]),
                figure(row["ms_per_image"]),
                figure(row["seconds"]),
                number(row["peak_mb"]),
            )
            for row in rows
        ],
    )
    if last is not first:
        yield (
            f"From {first['count']:,} to {last['count']:,} images the peak changes by "
            f"{last['peak_mb'] - first['peak_mb']:+.0f} MB; what is promised is that it stays."
        )


def _rate(ms: float) -> str:
    # Few images take less than start-up varies.
    return number(1e3 / ms) if ms > 0 else "not to be told"


def _cases(section: Section) -> Iterator[str]:
    width, height = section["large"]
    yield "### One"
    yield (
        f"At the model's own scales ({scale_list(section['subject']['own_scales'])}). The large images have "
        f"{width:,} × {height:,} pixels, {width * height / 1e6:.0f} megapixels."
    )
    yield table(
        ("", "promised", "seconds", "peak MB"),
        [
            (name, _PROMISED[name], figure(case["seconds"]), number(case["peak_mb"]))
            for name, case in section["cases"].items()
        ],
    )

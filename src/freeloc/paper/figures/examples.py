"""Contact sheets of predictions: points (paper, Figure 6) and extents (paper, section 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeloc.paper.figures.image_axes import BoxTuple, Uint8Array, draw_box, draw_cross, show_image
from freeloc.visualization.plots import GREEN, RED, YELLOW, figure_style, grid_axes, new_figure, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BoxExample", "PointExample", "draw_boxes_figure", "draw_points"]

_WIDTH, _HEIGHT = 1.7, 1.35  # inches of the place for an image
_FRAME = 2.6  # points


@dataclass(frozen=True, eq=False)
class PointExample:
    """The most confident location of one class on one image.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright.
        class_name: what was looked for.
        x: of the location, in image pixels.
        y: likewise.
        score: written beside the name.
        correct: whether the location is right.
    """

    image: Uint8Array
    class_name: str
    x: float
    y: float
    score: float
    correct: bool


@dataclass(frozen=True, eq=False)
class BoxExample:
    """Predicted and annotated extents of one class on one image.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright.
        class_name: what was looked for.
        found: predicted boxes, ``x1, y1, x2, y2`` in image pixels.
        annotated: the true ones; none where they are not known.
        overlap: area of intersection over union, written beside the name; None writes nothing.
    """

    image: Uint8Array
    class_name: str
    found: Sequence[BoxTuple]
    annotated: Sequence[BoxTuple] = ()
    overlap: float | None = None


def draw_points(examples: Sequence[PointExample], columns: int = 5, title: str = "") -> Figure:
    """Draw images with a yellow cross each, framed in green with ✓ where it is right, else in red with ✗.

    Raises:
        FreelocError: matplotlib is not installed.
        ValueError: there is no example or no column.
    """
    with figure_style():
        figure, axes = _sheet(len(examples), columns, title, foot=0.0)
        for area, example in zip(axes, examples, strict=True):
            show_image(area, example.image)
            draw_cross(area, example.x, example.y)
            colour, mark = (GREEN, "✓") if example.correct else (RED, "✗")
            for spine in area.spines.values():
                spine.set(color=colour, linewidth=_FRAME)
            _caption(area, example.class_name, f"{example.score:.2f} {mark}".replace("-", "−"))
    return figure


def draw_boxes_figure(examples: Sequence[BoxExample], columns: int = 5, title: str = "") -> Figure:
    """Draw images with predicted boxes, yellow, and annotated ones, green and dashed.

    Raises:
        FreelocError: matplotlib is not installed.
        ValueError: there is no example or no column.
    """
    with figure_style():
        from matplotlib.lines import Line2D

        figure, axes = _sheet(len(examples), columns, title, foot=0.28)
        for area, example in zip(axes, examples, strict=True):
            show_image(area, example.image)
            for box in example.annotated:
                draw_box(area, box, _BRIGHT_GREEN, dashed=True)
            for box in example.found:
                draw_box(area, box)
            _caption(
                area, example.class_name, "" if example.overlap is None else f"IoU {example.overlap:.2f}"
            )
        lines = [Line2D([], [], color=YELLOW, linewidth=1.6, label="predicted")]
        if any(example.annotated for example in examples):
            style = (0, (3, 2))
            lines.append(
                Line2D([], [], color=_BRIGHT_GREEN, linewidth=1.6, linestyle=style, label="annotated")
            )
        for line in lines:
            line.set_path_effects(outline(1.6))
        width, height = figure.get_size_inches()
        place = (0.15 / width, 0.1 / height)
        figure.legend(
            handles=lines, loc="lower left", bbox_to_anchor=place, ncols=2, borderpad=0, borderaxespad=0
        )
    return figure


_BRIGHT_GREEN = "#46e08a"


def _sheet(count: int, columns: int, title: str, foot: float) -> tuple[Figure, list[Axes]]:
    if count < 1 or columns < 1:
        raise ValueError("a sheet needs at least one example and one column")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    head, gap_x, gap_y = (0.42 if title else 0.12), 0.14, 0.3
    size = 0.15 + columns * (_WIDTH + gap_x), head + rows * (_HEIGHT + gap_y) + foot
    figure = new_figure(*size, title)
    grid = grid_axes(
        figure, [_HEIGHT] * rows, [_WIDTH] * columns, left=0.15, top=head, gap_x=gap_x, gap_y=gap_y
    )
    axes = [area for row in grid for area in row]
    for area in axes[count:]:
        area.remove()
    return figure, axes[:count]


def _caption(area: Axes, name: str, note: str) -> None:
    room = 31 - len(note)
    words = name if len(name) <= room else f"{name[: room - 3]}..."
    area.annotate(
        f"{words}  {note}".rstrip(),
        (0.5, 0),
        xytext=(0, -4),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        ha="center",
        fontsize=7.5,
        annotation_clip=False,
    )

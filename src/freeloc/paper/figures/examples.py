"""Contact sheets of example predictions: points (paper, Figure 6) and boxes (paper, section 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeloc._typing import Uint8Array
from freeloc.paper.figures.image_axes import BoxTuple, draw_box, draw_cross, show_image
from freeloc.visualization.plots import GREEN, RED, YELLOW, figure_style, grid_axes, new_figure, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BoxExample", "PointExample", "draw_box_examples", "draw_point_examples"]

_WIDTH, _HEIGHT = 1.7, 1.35  # size of the space for an image in inches
_FRAME = 2.6  # line width in points
_BRIGHT_GREEN = "#46e08a"


@dataclass(frozen=True, eq=False)
class PointExample:
    """The predicted point of one class in one image.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright.
        class_name: name of the class.
        x: x coordinate of the point, in image pixels.
        y: y coordinate of the point, in image pixels.
        score: score of the class, printed next to the class name.
        correct: whether the point is correct.
    """

    image: Uint8Array
    class_name: str
    x: float
    y: float
    score: float
    correct: bool


@dataclass(frozen=True, eq=False)
class BoxExample:
    """Predicted and annotated boxes of one class in one image.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright.
        class_name: name of the class.
        predicted: predicted boxes, ``x1, y1, x2, y2`` in image pixels.
        annotated: annotated boxes; empty if they are unknown.
        overlap: intersection over union of the predicted and annotated boxes, printed next to the class name; if
            None, nothing is printed.
    """

    image: Uint8Array
    class_name: str
    predicted: Sequence[BoxTuple]
    annotated: Sequence[BoxTuple] = ()
    overlap: float | None = None


def draw_point_examples(examples: Sequence[PointExample], columns: int = 5, title: str = "") -> Figure:
    """Draw each image with a yellow cross at the point and a colored frame.

    The frame is green if the point is correct, and red if it is wrong. A ✓ or ✗ below the image indicates the
    same.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no examples or no columns.
    """
    with figure_style():
        figure, axes = _sheet(len(examples), columns, title, foot=0.0)
        for area, example in zip(axes, examples, strict=True):
            show_image(area, example.image)
            draw_cross(area, example.x, example.y)
            color, mark = (GREEN, "✓") if example.correct else (RED, "✗")
            for spine in area.spines.values():
                spine.set(color=color, linewidth=_FRAME)
            _caption(area, example.class_name, f"{example.score:.2f} {mark}".replace("-", "−"))
    return figure


def draw_box_examples(examples: Sequence[BoxExample], columns: int = 5, title: str = "") -> Figure:
    """Draw each image with its predicted boxes in yellow and its annotated boxes in dashed green.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no examples or no columns.
    """
    with figure_style():
        from matplotlib.lines import Line2D

        figure, axes = _sheet(len(examples), columns, title, foot=0.28)
        for area, example in zip(axes, examples, strict=True):
            show_image(area, example.image)
            for box in example.annotated:
                draw_box(area, box, _BRIGHT_GREEN, dashed=True)
            for box in example.predicted:
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
        anchor = (0.15 / width, 0.1 / height)
        figure.legend(
            handles=lines, loc="lower left", bbox_to_anchor=anchor, ncols=2, borderpad=0, borderaxespad=0
        )
    return figure


def _sheet(count: int, columns: int, title: str, foot: float) -> tuple[Figure, list[Axes]]:
    if count < 1 or columns < 1:
        raise ValueError("a contact sheet needs at least one example and one column")
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
    space = 31 - len(note)
    short = name if len(name) <= space else f"{name[: space - 3]}..."
    area.annotate(
        f"{short}  {note}".rstrip(),
        (0.5, 0),
        xytext=(0, -4),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        ha="center",
        fontsize=7.5,
        annotation_clip=False,
    )

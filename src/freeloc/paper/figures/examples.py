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

__all__ = ["BoxExample", "ExamplePoint", "PointExample", "draw_box_examples", "draw_point_examples"]

_WIDTH, _HEIGHT = 1.7, 1.35  # size of the space for an image in inches
_LARGE = (2.9, 2.3)  # the same for images with many points
_FRAME = 2.6  # line width in points
_NAME_SIZE = 5.5  # font size of the names beside points
_REACH = 4.5  # half the size of a cross in points
_BRIGHT_GREEN, _BRIGHT_RED = "#46e08a", "#ff9680"


@dataclass(frozen=True, slots=True)
class ExamplePoint:
    """The predicted point of one class in an image.

    Attributes:
        class_name: name of the class.
        x: x coordinate of the point, in image pixels.
        y: y coordinate of the point, in image pixels.
        score: score of the class.
        correct: whether the point is correct.
    """

    class_name: str
    x: float
    y: float
    score: float
    correct: bool


@dataclass(frozen=True, eq=False)
class PointExample:
    """The predicted points of all classes of one image.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright.
        points: the points, at most one per class.
        subject: the point for which the image was selected, which the caption and the frame describe; it need not
            be one of ``points``. If None, the caption says how many points are correct, and there is no frame.
    """

    image: Uint8Array
    points: Sequence[ExamplePoint]
    subject: ExamplePoint | None = None


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
    """Draw each image with a yellow cross at the point of each class, and with the names of the classes.

    The name of a class is green with a ✓ if its point is correct, and red with a ✗ if it is wrong. Images selected
    for the point of one class have a frame in the color of its outcome, and a caption with its score. Images
    without such a point are drawn larger, because they have more points.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no examples or no columns.
    """
    size = (_WIDTH, _HEIGHT) if all(example.subject for example in examples) else _LARGE
    with figure_style():
        figure, axes = _sheet(len(examples), columns, title, foot=0.0, size=size)
        for area, example in zip(axes, examples, strict=True):
            show_image(area, example.image)
            subject = example.subject
            points = list(example.points)
            if subject is not None and subject not in points:
                points.insert(0, subject)
            for point in points:
                draw_cross(area, point.x, point.y)
            if points != [subject]:  # otherwise, the caption says it all
                _name_points(area, points, example.image.shape[:2], size)
            if subject is None:
                correct = sum(point.correct for point in points)
                _caption(
                    area, f"{correct} of {len(points)} {'point' if len(points) == 1 else 'points'} right", ""
                )
                continue
            for spine in area.spines.values():
                spine.set(color=GREEN if subject.correct else RED, linewidth=_FRAME)
            _caption(area, subject.class_name, f"{subject.score:.2f} {_mark(subject)}".replace("-", "−"))
    return figure


def _mark(point: ExamplePoint) -> str:
    return "✓" if point.correct else "✗"


def _name_points(
    area: Axes, points: Sequence[ExamplePoint], shape: tuple[int, ...], size: tuple[float, float]
) -> None:
    """Draw the name of each class beside its point, where it overlaps other names and points least.

    Args:
        area: the axes with the image.
        points: the points; those with a non-finite coordinate have no name.
        shape: height and width of the image, in pixels.
        size: maximum width and height of the drawn image, in inches.
    """
    height, width = shape
    scale = 72 * min(size[0] / width, size[1] / height)  # typographic points per pixel
    shown = [point for point in points if math.isfinite(point.x) and math.isfinite(point.y)]
    taken = [_around(point.x * scale, point.y * scale, 2 * _REACH, 2 * _REACH) for point in shown]
    for point in shown:
        text = f"{_shorten(point.class_name, 22)} {_mark(point)}"
        extent = 0.62 * _NAME_SIZE * len(text), 1.2 * _NAME_SIZE
        places = _places(point.x * scale, point.y * scale, extent, (width * scale, height * scale))
        place = min(places, key=lambda place: sum(_overlap(place, other) for other in taken))
        taken.append(place)
        words = area.text(
            (place[0] + place[2]) / 2 / scale,
            (place[1] + place[3]) / 2 / scale,
            text,
            fontsize=_NAME_SIZE,
            weight="bold",
            color=_BRIGHT_GREEN if point.correct else _BRIGHT_RED,
            ha="center",
            va="center",
        )
        words.set_path_effects(outline(0.6))


_Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom edge, in typographic points."""


def _places(x: float, y: float, extent: tuple[float, float], image: tuple[float, float]) -> list[_Rectangle]:
    """Return where a name may be: on each side of its point, and within the image."""
    width, height = extent
    across, down = _REACH + 2 + width / 2, _REACH + height / 2
    sides = ((across, 0), (-across, 0), (0, down), (0, -down), (across, down), (-across, -down))
    right, bottom = (
        max(image[0] - width / 2 - 1, width / 2 + 1),
        max(image[1] - height / 2 - 1, height / 2 + 1),
    )
    return [
        _around(
            min(max(x + dx, width / 2 + 1), right), min(max(y + dy, height / 2 + 1), bottom), width, height
        )
        for dx, dy in sides
    ]


def _around(x: float, y: float, width: float, height: float) -> _Rectangle:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(first: _Rectangle, second: _Rectangle) -> float:
    """Return the area of the intersection of two rectangles."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def draw_box_examples(examples: Sequence[BoxExample], columns: int = 5, title: str = "") -> Figure:
    """Draw each image with its predicted boxes in yellow and its annotated boxes in dashed green.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no examples or no columns.
    """
    with figure_style():
        from matplotlib.lines import Line2D

        figure, axes = _sheet(len(examples), columns, title, foot=0.28, size=(_WIDTH, _HEIGHT))
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


def _sheet(
    count: int, columns: int, title: str, *, foot: float, size: tuple[float, float]
) -> tuple[Figure, list[Axes]]:
    if count < 1 or columns < 1:
        raise ValueError("a contact sheet needs at least one example and one column")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    head, gap_x, gap_y = (0.42 if title else 0.12), 0.14, 0.3
    width, height = size
    figure = new_figure(0.15 + columns * (width + gap_x), head + rows * (height + gap_y) + foot, title)
    grid = grid_axes(
        figure, [height] * rows, [width] * columns, left=0.15, top=head, gap_x=gap_x, gap_y=gap_y
    )
    axes = [area for row in grid for area in row]
    for area in axes[count:]:
        area.remove()
    return figure, axes[:count]


def _caption(area: Axes, name: str, note: str) -> None:
    area.annotate(
        f"{_shorten(name, 31 - len(note))}  {note}".rstrip(),
        (0.5, 0),
        xytext=(0, -4),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        ha="center",
        fontsize=7.5,
        annotation_clip=False,
    )


def _shorten(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 3]}..."

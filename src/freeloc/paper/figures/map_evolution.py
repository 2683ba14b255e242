"""Score maps of a model at several iterations of its training (paper, Figures 1 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from freeloc._typing import Float32Array, Uint8Array
from freeloc.paper.figures.image_axes import BoxTuple, draw_box, show_image
from freeloc.visualization.plots import CYAN, GRAY, YELLOW, figure_style, grid_axes, new_figure, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["EvolutionRow", "Frame", "draw_class_evolution", "draw_map_evolution"]

_WIDTH = 1.75  # width of an image in inches
_MAX_ASPECT = 1.25  # height over width; taller images are drawn narrower
_LEFT, _GAP = 0.85, 0.08
_HEIGHT = 1.35  # height of an image in inches, where images are columns
_WIDEST = 2.2  # width over height; wider images are drawn lower


@dataclass(frozen=True, eq=False)
class Frame:
    """One image at one iteration of training.

    Attributes:
        iteration: number of iterations or epochs completed so far.
        score_map: (rows, cols) scores of the row's class, evenly spaced over the whole image.
        window: ``x1, y1, x2, y2`` of the highest-scoring window of the class, in image pixels.
        absent_window: the highest-scoring window of the row's absent class; if None, it is not drawn.
        score: score of ``window``, printed below the image; if None, nothing is printed.
    """

    iteration: int
    score_map: Float32Array
    window: BoxTuple
    absent_window: BoxTuple | None = None
    score: float | None = None


@dataclass(frozen=True, eq=False)
class EvolutionRow:
    """One image at several iterations.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright.
        class_name: the class whose map is drawn.
        frames: one per iteration, in order; every row has the same iterations.
        absent_class: the absent class whose windows are drawn; None if there is none.
        limits: scores at the two ends of the color scale. None uses 0 and the row's highest score or, if no score
            is above 0, the row's lowest and highest scores.
    """

    image: Uint8Array
    class_name: str
    frames: Sequence[Frame]
    absent_class: str | None = None
    limits: tuple[float, float] | None = None


def draw_map_evolution(rows: Sequence[EvolutionRow], title: str = "", unit: str = "iteration") -> Figure:
    """Draw a grid of panels, with one image per row and one training iteration per column.

    Each panel shows the score map and the highest-scoring window at that iteration. All panels of a row share one
    color scale, so that increasing scores are visible.

    Args:
        rows: at least one row; all rows have the same iterations.
        title: title above the figure.
        unit: unit of the iterations, "iteration" or "epoch".

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no rows or no frames, or rows have different iterations.
    """
    iterations = _iterations(rows)
    columns = len(iterations)
    score_height = 0.17 if any(frame.score is not None for row in rows for frame in row.frames) else 0.0
    heights = [_WIDTH * min(_MAX_ASPECT, row.image.shape[0] / row.image.shape[1]) for row in rows]
    head, foot = (0.55 if title else 0.28), 0.42
    gap_y = _GAP + score_height
    full = head + sum(heights) + gap_y * len(rows) + foot
    left = _left(rows)
    with figure_style():
        figure = new_figure(left + columns * (_WIDTH + _GAP) + 0.05, full, title)
        grid = grid_axes(figure, heights, [_WIDTH] * columns, left=left, top=head, gap_x=_GAP, gap_y=gap_y)
        for iteration, area in zip(iterations, grid[0], strict=True):
            area.set_title(_numbered(unit, iteration), pad=4)
        for row, axes in zip(rows, grid, strict=True):
            low, high = _limits(row)
            for frame, area in zip(row.frames, axes, strict=True):
                _frame(area, row, frame, (low, high))
            _name(axes[0], row)
        _legend(figure, any(row.absent_class for row in rows), full)
    return figure


def draw_class_evolution(rows: Sequence[EvolutionRow], title: str = "", unit: str = "iteration") -> Figure:
    """Draw one class in several images, as the paper's Figure 1 does: one column per image.

    The images are at the top; below are their score maps at each training iteration, with the highest-scoring
    window. The maps of an image share one color scale, so that it is visible when the class is found in it.

    Args:
        rows: at least one image; all have the same iterations. Absent classes are not drawn.
        title: title above the figure.
        unit: unit of the iterations, "iteration" or "epoch".

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no rows or no frames, or rows have different iterations.
    """
    iterations = _iterations(rows)
    widths = [_HEIGHT * min(_WIDEST, row.image.shape[1] / row.image.shape[0]) for row in rows]
    head, foot, gap_y = (0.45 if title else 0.12), 0.42, _GAP + 0.17
    lines = 1 + len(iterations)
    full = head + lines * (_HEIGHT + gap_y) + foot
    with figure_style():
        width = _LEFT + sum(widths) + _GAP * len(rows) + 0.05
        figure = new_figure(max(width, _LEFT + 2 * _HEIGHT), full, title)
        grid = grid_axes(figure, [_HEIGHT] * lines, widths, left=_LEFT, top=head, gap_x=_GAP, gap_y=gap_y)
        for row, area in zip(rows, grid[0], strict=True):
            show_image(area, row.image)
        _label(grid[0][0], "images")
        for index, (iteration, axes) in enumerate(zip(iterations, grid[1:], strict=True)):
            for row, area in zip(rows, axes, strict=True):
                _frame(area, row, replace(row.frames[index], absent_window=None), _limits(row))
            _label(axes[0], _numbered(f"{unit}\n", iteration))
        _legend(figure, False, full)
    return figure


def _left(rows: Sequence[EvolutionRow]) -> float:
    """Return the space for the names of the classes, in inches."""
    # Bold letters of 8 points are about a thirteenth of an inch wide; those of 7 points, a sixteenth.
    names = (0.078 * len(row.class_name) for row in rows)
    absent = (0.066 * len(f"not {row.absent_class or ''}") for row in rows)
    return max(_LEFT, 0.15 + max(*names, *absent))


def _iterations(rows: Sequence[EvolutionRow]) -> list[int]:
    """Return the iterations of all rows.

    Raises:
        ValueError: there are no rows or no iterations, or they differ.
    """
    iterations = [[frame.iteration for frame in row.frames] for row in rows]
    if not iterations or not iterations[0] or any(row != iterations[0] for row in iterations):
        raise ValueError(
            "all rows must have the same iterations, and there must be at least one row and one iteration"
        )
    return iterations[0]


def _numbered(unit: str, iteration: int) -> str:
    space = "" if unit.endswith("\n") else " "
    return f"{unit}{space}{iteration:,}".replace(",", "\u2009")


def _limits(row: EvolutionRow) -> tuple[float, float]:
    if row.limits is not None:
        return row.limits
    high = max(float(np.nanmax(frame.score_map)) for frame in row.frames)
    if high > 0:
        return 0.0, high
    return min(float(np.nanmin(frame.score_map)) for frame in row.frames), high


def _frame(area: Axes, row: EvolutionRow, frame: Frame, limits: tuple[float, float]) -> None:
    low, high = limits
    spread = high - low if high > low else 1.0
    show_image(area, row.image, ((frame.score_map - low) / spread).astype(np.float32))
    if frame.absent_window is not None:
        draw_box(area, frame.absent_window, CYAN, dashed=True)
    draw_box(area, frame.window)
    if frame.score is not None:
        text = f"{frame.score:.2f}".replace("-", "−")
        area.text(0.5, -0.03, text, transform=area.transAxes, ha="center", va="top", color=GRAY, fontsize=7)


def _label(area: Axes, text: str, raised: bool = False) -> None:
    area.annotate(
        text,
        (0, 0.5),
        xytext=(-6, 5 if raised else 0),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="center",
        weight="bold",
        annotation_clip=False,
    )


def _name(area: Axes, row: EvolutionRow) -> None:
    _label(area, row.class_name, raised=bool(row.absent_class))
    if row.absent_class:
        area.annotate(
            f"not {row.absent_class}",
            (0, 0.5),
            xytext=(-6, -6),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="center",
            color=GRAY,
            fontsize=7,
            annotation_clip=False,
        )


def _legend(figure: Figure, absent: bool, height: float) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=YELLOW, linewidth=1.6, label="highest-scoring window of the class")]
    if absent:
        label = "highest-scoring window of an absent class"
        lines.append(Line2D([], [], color=CYAN, linewidth=1.6, linestyle=(0, (3, 2)), label=label))
    for line in lines:
        line.set_path_effects(outline(1.6))
    anchor = (_LEFT / figure.get_size_inches()[0], 0.1 / height)
    figure.legend(
        handles=lines, loc="lower left", bbox_to_anchor=anchor, ncols=2, borderpad=0, borderaxespad=0
    )

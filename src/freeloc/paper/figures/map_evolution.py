"""How score maps come about while a model learns (paper, Figures 1 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeloc._typing import Float32Array
from freeloc.paper.figures.image_axes import BoxTuple, Uint8Array, draw_box, show_image
from freeloc.visualization.plots import CYAN, GRAY, YELLOW, figure_style, grid_axes, new_figure, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["EvolutionRow", "Frame", "draw_evolution"]

_WIDTH = 1.75  # inches of an image
_TALLEST = 1.25  # times as high as wide: what is taller is drawn narrower
_LEFT, _GAP = 0.85, 0.08


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of the training, for one image.

    Attributes:
        iteration: updates done, or epochs.
        score_map: (rows, cols) scores of the row's class, regularly over the whole image.
        window: ``x1, y1, x2, y2`` of the window with the class's best score, in image pixels.
        losing_window: likewise for the row's second class, one whose tag the image lacks.
        score: of ``window``, written below; None writes nothing.
    """

    iteration: int
    score_map: Float32Array
    window: BoxTuple
    losing_window: BoxTuple | None = None
    score: float | None = None


@dataclass(frozen=True, eq=False)
class EvolutionRow:
    """One image over time.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright.
        class_name: whose map is drawn.
        frames: in the order of time; the same iterations in every row.
        losing_class: to whom the losing windows belong.
        limits: scores drawn as the two ends of the colours; None: 0 and the row's highest
            score, or its lowest and highest where none is above 0.
    """

    image: Uint8Array
    class_name: str
    frames: Sequence[Frame]
    losing_class: str | None = None
    limits: tuple[float, float] | None = None


def draw_evolution(rows: Sequence[EvolutionRow], title: str = "", unit: str = "iteration") -> Figure:
    """Draw images in rows and iterations in columns, each with map and winning window.

    The colours of a row mean the same scores in all its columns, so that growing scores are seen to grow.

    Args:
        rows: at least one, all with the same iterations.
        title: above.
        unit: what is counted, "iteration" or "epoch".

    Raises:
        FreelocError: matplotlib is not installed.
        ValueError: there is no row or no frame, or rows have different iterations.
    """
    moments = [[frame.iteration for frame in row.frames] for row in rows]
    if not moments or not moments[0] or any(one != moments[0] for one in moments):
        raise ValueError("rows of an evolution share their iterations, and there is at least one of each")
    columns = len(moments[0])
    noted = 0.17 if any(frame.score is not None for row in rows for frame in row.frames) else 0.0
    heights = [_WIDTH * min(_TALLEST, row.image.shape[0] / row.image.shape[1]) for row in rows]
    head, foot = (0.55 if title else 0.28), 0.42
    gap_y = _GAP + noted
    full = head + sum(heights) + gap_y * len(rows) + foot
    with figure_style():
        figure = new_figure(_LEFT + columns * (_WIDTH + _GAP) + 0.05, full, title)
        grid = grid_axes(figure, heights, [_WIDTH] * columns, left=_LEFT, top=head, gap_x=_GAP, gap_y=gap_y)
        for iteration, area in zip(moments[0], grid[0], strict=True):
            area.set_title(f"{unit} {iteration:,}".replace(",", "\u2009"), pad=4)
        for row, axes in zip(rows, grid, strict=True):
            low, high = _limits(row)
            for frame, area in zip(row.frames, axes, strict=True):
                _frame(area, row, frame, (low, high))
            _name(axes[0], row)
        _legend(figure, any(row.losing_class for row in rows), full)
    return figure


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
    if frame.losing_window is not None:
        draw_box(area, frame.losing_window, CYAN, dashed=True)
    draw_box(area, frame.window)
    if frame.score is not None:
        words = f"{frame.score:.2f}".replace("-", "−")
        area.text(0.5, -0.03, words, transform=area.transAxes, ha="center", va="top", color=GRAY, fontsize=7)


def _name(area: Axes, row: EvolutionRow) -> None:
    area.annotate(
        row.class_name,
        (0, 0.5),
        xytext=(-6, 5 if row.losing_class else 0),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="center",
        weight="bold",
        annotation_clip=False,
    )
    if row.losing_class:
        area.annotate(
            f"not {row.losing_class}",
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


def _legend(figure: Figure, losing: bool, height: float) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=YELLOW, linewidth=1.6, label="window that wins for the class")]
    if losing:
        label = "window that wins for a class that is not there"
        lines.append(Line2D([], [], color=CYAN, linewidth=1.6, linestyle=(0, (3, 2)), label=label))
    for line in lines:
        line.set_path_effects(outline(1.6))
    place = (_LEFT / figure.get_size_inches()[0], 0.1 / height)
    figure.legend(
        handles=lines, loc="lower left", bbox_to_anchor=place, ncols=2, borderpad=0, borderaxespad=0
    )

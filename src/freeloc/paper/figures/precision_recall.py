"""Precision-recall curves of all classes as small multiples, with their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeloc._typing import Float64Array
from freeloc.metrics import PrecisionRecallCurve, mean_over_classes
from freeloc.visualization.plots import DARK, GRAY, figure_style, grid_axes, halo, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RECALLS", "CurveSet", "draw_precision_recall", "mean_curve", "raised_precision"]

RECALLS: Float64Array = np.linspace(0, 1, 101)
"""Recall values at which the curves of the classes are averaged."""


_PROBED = [30, 65]
"""Indices in `RECALLS`; the precisions at these two recall values decide in which corner of a panel the numbers
are printed."""


@dataclass(frozen=True, eq=False)
class CurveSet:
    """Curves of one measure.

    Attributes:
        label: label in the legend, such as "classification".
        curves: one curve per class, in the order of the classes.
        color: a matplotlib color.
    """

    label: str
    curves: Sequence[PrecisionRecallCurve]
    color: str


def raised_precision(curve: PrecisionRecallCurve, recalls: Float64Array = RECALLS) -> Float64Array:
    """Return, for each recall, the highest precision at that recall or any higher one, as (R,) float64.

    The value is 0 beyond the highest recall of the curve, and NaN for a class without positives.
    """
    if not curve.n_positives > 0:
        return np.full(len(recalls), np.nan)
    index = np.searchsorted(curve.recall, recalls, side="left")
    return np.append(curve.envelope, 0.0)[index]


def mean_curve(curves: Sequence[PrecisionRecallCurve]) -> Float64Array:
    """Return the mean of `raised_precision` over the classes with positives, at `RECALLS`, as (101,) float64.

    If no class has positives, all values are NaN.
    """
    known = [raised_precision(curve) for curve in curves if curve.n_positives > 0]
    return np.mean(known, axis=0) if known else np.full(len(RECALLS), np.nan)


def draw_precision_recall(classes: Sequence[str], sets: Sequence[CurveSet], title: str = "") -> Figure:
    """Draw one panel with the mean curves and one panel per class; each panel has one curve per measure.

    The curves show raised precision (see `raised_precision`). The area under each curve is therefore its average
    precision of flavour "area"; this number is printed in the panel.

    Args:
        classes: class names.
        sets: the measures in drawing order; usually classification and location.
        title: title above the figure.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no classes or measures, or a measure does not have one curve per class.
    """
    if not classes or not sets or any(len(one.curves) != len(classes) for one in sets):
        raise ValueError(
            f"each measure needs one curve per class, and there must be at least one measure and one class; there "
            f"are {len(sets)} measures and {len(classes)} classes"
        )
    panels = len(classes) + 1
    columns = _columns(panels)
    rows = math.ceil(panels / columns)
    side, gap_y = 1.3, 0.3
    head = 0.95 if title else 0.65
    size = (max(0.5 + columns * (side + 0.12), 4.0), head + rows * (side + gap_y) + 0.25)
    with figure_style():
        figure = new_figure(*size, title)
        grid = grid_axes(
            figure, [side] * rows, [side] * columns, left=0.45, top=head, gap_x=0.12, gap_y=gap_y
        )
        axes = [area for row in grid for area in row]
        for number, area in enumerate(axes[:panels]):
            last_row = number + columns >= panels
            _frame(area, number % columns == 0, last_row, number == 0)
            if number == 0:
                area.set_title("mean", weight="bold", pad=3)
            else:
                area.set_title(_short(classes[number - 1]), pad=3)
            _draw(area, sets, number - 1 if number else None)
        for area in axes[panels:]:
            area.remove()
        _legend(figure, sets, (0.1 / size[0], 1 - (head - 0.5) / size[1]))
    return figure


def _draw(area: Axes, sets: Sequence[CurveSet], index: int | None) -> None:
    """Draw the curves of one class, or the mean curves if ``index`` is None, and print their areas."""
    values = []
    for one in sets:
        if index is None:
            x, y = RECALLS, mean_curve(one.curves)
            values.append(mean_over_classes([_area(curve) for curve in one.curves]))
        else:
            x, y = _staircase(one.curves[index])
            values.append(_area(one.curves[index]))
        area.plot(x, y, color=one.color, linewidth=1.1, solid_joinstyle="miter", clip_on=False)
    heights = np.nan_to_num(
        [raised_precision(one.curves[index], RECALLS[_PROBED]) for one in sets]
        if index is not None
        else [mean_curve(one.curves)[_PROBED] for one in sets]
    )
    left = heights[:, 0].min() >= 1 - heights[:, 1].max()
    for line, (one, value) in enumerate(zip(sets, values, strict=True)):
        number = "–" if math.isnan(value) else f"{100 * value:.1f}"
        x_position, align = (0.05, "left") if left else (0.96, "right")
        y_position = 0.05 + 0.13 * (len(sets) - 1 - line) if left else 0.85 - 0.13 * line
        text = area.text(x_position, y_position, number, ha=align, color=one.color, fontsize=7, weight="bold")
        text.set_path_effects(halo())


def _columns(panels: int) -> int:
    """Return a number of columns that makes the page nearly square and leaves few empty panels in the last row."""
    if panels <= 7:
        return panels
    middle = math.ceil(math.sqrt(panels))
    return min(range(middle + 2, max(4, middle - 1) - 1, -1), key=lambda columns: -panels % columns)


def _staircase(curve: PrecisionRecallCurve) -> tuple[Float64Array, Float64Array]:
    """Return the corners of the raised curve as a staircase from recall 0 that ends at precision 0.

    Consecutive points of equal precision are merged.
    """
    if not curve.n_positives > 0 or not len(curve.recall):
        return np.empty(0), np.empty(0)
    last = np.append(np.diff(curve.envelope) != 0, True)  # the last point of each height
    right, height = curve.recall[last], curve.envelope[last]
    x = np.concatenate(([0.0], np.repeat(right, 2)))
    y = np.concatenate((np.repeat(height, 2), [0.0]))
    return x, y


def _area(curve: PrecisionRecallCurve) -> float:
    if not curve.n_positives > 0:
        return math.nan
    return float(np.sum(curve.envelope * np.diff(curve.recall, prepend=0.0)))


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:16]}..."


def _frame(area: Axes, first_column: bool, last_row: bool, labeled: bool) -> None:
    area.set_xlim(0, 1)
    area.set_ylim(0, 1)
    ticks = [0, 0.5, 1]
    area.set_xticks(ticks, ["0", ".5", "1"] if last_row else [])
    area.set_yticks(ticks, ["0", ".5", "1"] if first_column else [])
    area.tick_params(length=2, pad=2)
    area.grid(color=GRAY, alpha=0.22, linewidth=0.5)
    if labeled:
        area.set_ylabel("precision", labelpad=1, color=DARK)
    if last_row and first_column:
        area.set_xlabel("recall", labelpad=1, color=DARK)


def _legend(figure: Figure, sets: Sequence[CurveSet], anchor: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=one.color, label=f"{one.label} (number: AP, %)") for one in sets]
    figure.legend(
        handles=lines, loc="upper left", bbox_to_anchor=anchor, ncols=len(sets), borderpad=0, borderaxespad=0
    )

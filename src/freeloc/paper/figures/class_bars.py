"""Bar charts that compare two numbers per class, largest difference first (paper, Figure 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.metrics import mean_over_classes
from freeloc.visualization.plots import GRAY, PAPER_PAIRS, figure_style, grid_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_class_bars", "order_by_gap"]

_COLUMN = 40
"""Maximum number of classes per column."""

_ROW = 0.27  # height of a class in inches
_BARS = 3.3  # length of a full bar in inches
_X_MAX = 121  # percent; leaves space for a number and the difference to the right of a full bar
_BAR = 0.4  # height of a bar as a fraction of its row


def order_by_gap(first: npt.ArrayLike, second: npt.ArrayLike) -> list[int]:
    """Return class indices sorted by ``first − second``, largest first, with missing values (NaN) last.

    Classes with equal differences keep their order.
    """
    gap = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return sorted(range(len(gap)), key=lambda index: (math.isnan(gap[index]), -np.nan_to_num(gap[index])))


def draw_class_bars(
    classes: Sequence[str],
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    labels: tuple[str, str],
    title: str = "",
    *,
    colors: tuple[str, str] = PAPER_PAIRS["supervision"],
) -> Figure:
    """Draw two bars per class, label them with their values and difference, and sort the classes by difference.

    Args:
        classes: C class names.
        first: (C,) average precision of each class, from 0 to 1; NaN where it is undefined.
        second: (C,) values to compare with ``first``.
        labels: names of ``first`` and ``second``; the legend also shows their means over the classes.
        title: title above the chart.
        colors: colors of ``first`` and ``second``; `PAPER_PAIRS` contains those of the paper's three comparisons.

    Returns:
        A figure with up to 40 classes per column.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no classes, or an array does not have the shape (C,).
    """
    pair = [np.asarray(values, np.float64) for values in (first, second)]
    if not classes or any(values.shape != (len(classes),) for values in pair):
        raise ValueError(
            f"a bar chart needs at least one class and two values per class; there are {len(classes)} classes"
        )
    order = order_by_gap(*pair)
    columns = math.ceil(len(order) / _COLUMN)
    rows = math.ceil(len(order) / columns)
    # At the names' font size of 8 points, a letter is about a sixteenth of an inch wide.
    names = 0.25 + min(2.4, 0.066 * max(map(len, classes)))
    width, gap = _BARS * _X_MAX / 100, names + 0.25
    head = 0.93 if title else 0.63
    size = (max(columns * (width + gap), 4.5), head + rows * _ROW + 0.45)
    with figure_style():
        figure = new_figure(*size, title)
        (axes,) = grid_axes(
            figure, [rows * _ROW], [width] * columns, left=names, top=head, gap_x=gap, gap_y=0
        )
        for column, area in enumerate(axes):
            shown = order[column * rows : (column + 1) * rows]
            _column(area, [classes[index] for index in shown], [v[shown] for v in pair], colors, rows)
        _legend(figure, labels, pair, colors, (0.1 / size[0], 1 - (head - 0.54) / size[1]))
    return figure


def _column(
    area: Axes, names: Sequence[str], pair: Sequence[Float64Array], colors: tuple[str, str], rows: int
) -> None:
    positions = np.arange(len(names), dtype=np.float64)
    for values, color, side in zip(pair, colors, (-0.5, 0.5), strict=True):
        percent = 100 * values
        area.barh(positions + side * _BAR, np.nan_to_num(percent), height=_BAR, color=color)
        for position, value in zip(positions, percent, strict=True):
            text = "–" if math.isnan(value) else f"{value:.1f}"
            at = (max(np.nan_to_num(value), 0) + 0.8, position + side * _BAR)
            area.text(*at, text, fontsize=5.8, color=color, va="center_baseline", ha="left")
    for position, difference in zip(positions, 100 * (pair[0] - pair[1]), strict=True):
        text = "" if math.isnan(difference) else f"{difference:+z.1f}".replace("-", "−")
        area.text(_X_MAX, position, text, fontsize=7, weight="bold", va="center_baseline", ha="right")
    area.set_xlim(0, _X_MAX)
    area.set_ylim(rows - 0.5, -0.5)
    area.set_xticks(range(0, 101, 20))
    area.set_xlabel("average precision, %; bold: difference")
    area.set_yticks(positions, [name if len(name) <= 36 else f"{name[:33]}..." for name in names], fontsize=8)
    area.tick_params(axis="y", length=0)
    area.grid(axis="x", color=GRAY, alpha=0.22, linewidth=0.5)


def _legend(
    figure: Figure,
    labels: tuple[str, str],
    pair: Sequence[Float64Array],
    colors: tuple[str, str],
    anchor: tuple[float, float],
) -> None:
    from matplotlib.patches import Patch

    entries = []
    for label, values, color in zip(labels, pair, colors, strict=True):
        mean = mean_over_classes(values)
        note = "" if math.isnan(mean) else f" (mean {100 * mean:.1f})"
        entries.append(Patch(color=color, label=label + note))
    # Stacked vertically, because long names side by side would not fit into the figure.
    figure.legend(handles=entries, loc="upper left", bbox_to_anchor=anchor, borderpad=0, borderaxespad=0)

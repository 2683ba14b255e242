"""Two numbers per class as bars, the largest difference first (paper, Figure 5)."""

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

__all__ = ["class_bars", "order_by_gap"]

_COLUMN = 40
"""Classes one below the other, before a second column is begun."""

_ROW = 0.27  # inches of one class
_BARS = 3.3  # inches of a full bar
_REACH = 121  # percent: right of a full bar stand its number and the difference
_BAR = 0.4  # share of its row that one of the two bars fills


def order_by_gap(first: npt.ArrayLike, second: npt.ArrayLike) -> list[int]:
    """Class numbers, the greatest ``first − second`` first; classes where one is missing (NaN) come last.

    Equal differences stay in the order of the classes.
    """
    gap = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return sorted(range(len(gap)), key=lambda index: (math.isnan(gap[index]), -np.nan_to_num(gap[index])))


def class_bars(
    classes: Sequence[str],
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    labels: tuple[str, str],
    title: str = "",
    *,
    colours: tuple[str, str] = PAPER_PAIRS["supervision"],
) -> Figure:
    """Draw two bars per class, sorted by their difference, with all values and the differences in numbers.

    Args:
        classes: names.
        first: (C,) average precision of every class, 0–1; NaN where it is not defined.
        second: (C,) what it is compared to.
        labels: what ``first`` and ``second`` are; the legend adds their means over the classes.
        title: above.
        colours: of the two; `PAPER_PAIRS` has those of the paper's three comparisons.

    Returns:
        The figure: up to 40 classes in one column, 80 in two.

    Raises:
        FreelocError: matplotlib is not installed.
        ValueError: there is no class, or an array is not (C,).
    """
    pair = [np.asarray(values, np.float64) for values in (first, second)]
    if not classes or any(values.shape != (len(classes),) for values in pair):
        raise ValueError(f"bars need two numbers for each of {len(classes)} classes, and at least one class")
    order = order_by_gap(*pair)
    columns = math.ceil(len(order) / _COLUMN)
    rows = math.ceil(len(order) / columns)
    # Names are drawn at 8 points, a letter about a sixteenth of an inch wide.
    names = 0.25 + min(2.4, 0.066 * max(map(len, classes)))
    width, gap = _BARS * _REACH / 100, names + 0.25
    head = 0.93 if title else 0.63
    size = (max(columns * (width + gap), 4.5), head + rows * _ROW + 0.45)
    with figure_style():
        figure = new_figure(*size, title)
        (axes,) = grid_axes(
            figure, [rows * _ROW], [width] * columns, left=names, top=head, gap_x=gap, gap_y=0
        )
        for column, area in enumerate(axes):
            shown = order[column * rows : (column + 1) * rows]
            _column(area, [classes[index] for index in shown], [v[shown] for v in pair], colours, rows)
        _legend(figure, labels, pair, colours, (0.1 / size[0], 1 - (head - 0.54) / size[1]))
    return figure


def _column(
    area: Axes, names: Sequence[str], pair: Sequence[Float64Array], colours: tuple[str, str], rows: int
) -> None:
    places = np.arange(len(names), dtype=np.float64)
    for values, colour, side in zip(pair, colours, (-0.5, 0.5), strict=True):
        percent = 100 * values
        area.barh(places + side * _BAR, np.nan_to_num(percent), height=_BAR, color=colour)
        for place, value in zip(places, percent, strict=True):
            words = "–" if math.isnan(value) else f"{value:.1f}"
            at = (max(np.nan_to_num(value), 0) + 0.8, place + side * _BAR)
            area.text(*at, words, fontsize=5.8, color=colour, va="center_baseline", ha="left")
    for place, difference in zip(places, 100 * (pair[0] - pair[1]), strict=True):
        words = "" if math.isnan(difference) else f"{difference:+z.1f}".replace("-", "−")
        area.text(_REACH, place, words, fontsize=7, weight="bold", va="center_baseline", ha="right")
    area.set_xlim(0, _REACH)
    area.set_ylim(rows - 0.5, -0.5)
    area.set_xticks(range(0, 101, 20))
    area.set_xlabel("average precision, %; bold: difference")
    area.set_yticks(places, [name if len(name) <= 36 else f"{name[:33]}..." for name in names], fontsize=8)
    area.tick_params(axis="y", length=0)
    area.grid(axis="x", color=GRAY, alpha=0.22, linewidth=0.5)


def _legend(
    figure: Figure,
    labels: tuple[str, str],
    pair: Sequence[Float64Array],
    colours: tuple[str, str],
    place: tuple[float, float],
) -> None:
    from matplotlib.patches import Patch

    entries = []
    for label, values, colour in zip(labels, pair, colours, strict=True):
        mean = mean_over_classes(values)
        noted = "" if math.isnan(mean) else f" (mean {100 * mean:.1f})"
        entries.append(Patch(color=colour, label=label + noted))
    # One above the other: side by side, long names of rows would leave the figure.
    figure.legend(handles=entries, loc="upper left", bbox_to_anchor=place, borderpad=0, borderaxespad=0)

"""Bar charts that compare two numbers per class (paper, Figure 5): largest difference first, or by group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.metrics import mean_over_classes
from freeloc.visualization.plots import GRAY, PAPER_PAIRS, figure_style, grid_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_class_bars", "draw_group_bars", "order_by_gap"]

_COLUMN = 40
"""Maximum number of classes per column."""

_ROW = 0.27  # height of a class in inches
_BARS = 3.3  # length of a full bar in inches
_X_MAX = 121  # percent; leaves space for a number and the difference to the right of a full bar
_BAR = 0.4  # height of a bar as a fraction of its row
_HEADING = 0.3  # height of the name of a group in inches


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
    pair = _checked(classes, first, second)
    order = order_by_gap(*pair)
    columns = math.ceil(len(order) / _COLUMN)
    rows = math.ceil(len(order) / columns)
    names, width, gap, head = _measures(classes, title)
    size = (max(columns * (width + gap), 4.5), head + rows * _ROW + 0.45)
    with figure_style():
        figure = new_figure(*size, title)
        (axes,) = grid_axes(
            figure, [rows * _ROW], [width] * columns, left=names, top=head, gap_x=gap, gap_y=0
        )
        for column, area in enumerate(axes):
            shown = order[column * rows : (column + 1) * rows]
            _column(area, [classes[index] for index in shown], [v[shown] for v in pair], colors, rows)
            _scale(area)
        _legend(figure, labels, pair, colors, (0.1 / size[0], 1 - (head - 0.54) / size[1]))
    return figure


def draw_group_bars(
    groups: Mapping[str, Sequence[int]],
    classes: Sequence[str],
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    labels: tuple[str, str],
    title: str = "",
    *,
    colors: tuple[str, str] = PAPER_PAIRS["supervision"],
) -> Figure:
    """Draw one chart per group of classes, as the paper arranges COCO's classes by super-category.

    Each chart keeps the order of the classes in the group, and states the group's two means in its heading.

    Args:
        groups: indices of the classes of each group, by its name; groups are drawn in this order.
        classes: C class names.
        first: (C,) average precision of each class, from 0 to 1; NaN where it is undefined.
        second: (C,) values to compare with ``first``.
        labels: names of ``first`` and ``second``; the legend also shows their means over the C classes.
        title: title above the charts.
        colors: colors of ``first`` and ``second``.

    Returns:
        A figure with about 40 classes per column; a group is never divided.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: there are no classes, no groups or an empty group, or an array does not have the shape (C,).
    """
    pair = _checked(classes, first, second)
    if not groups or not all(groups.values()):
        raise ValueError("a chart by group needs at least one group, and one class per group")
    columns = _divide({name: len(members) for name, members in groups.items()})
    names, width, gap, head = _measures(classes, title)
    heights = [sum(_HEADING + _ROW * len(groups[name]) for name in column) for column in columns]
    size = (max(len(columns) * (width + gap), 4.5), head + max(heights) + 0.45)
    with figure_style():
        figure = new_figure(*size, title)
        for position, column in enumerate(columns):
            top = head
            for name in column:
                shown = list(groups[name])
                values = [v[shown] for v in pair]
                height = _ROW * len(shown)
                ((area,),) = grid_axes(
                    figure,
                    [height],
                    [width],
                    left=names + position * (width + gap),
                    top=top + _HEADING,
                    gap_x=0,
                    gap_y=0,
                )
                _column(area, [classes[index] for index in shown], values, colors, len(shown))
                _scale(area, labeled=name == column[-1])
                means = " / ".join(_percent(mean_over_classes(v)) for v in values)
                area.set_title(f"{name}: {means}", loc="left", pad=3, weight="bold")
                top += _HEADING + height
        _legend(figure, labels, pair, colors, (0.1 / size[0], 1 - (head - 0.54) / size[1]))
    return figure


def _checked(classes: Sequence[str], first: npt.ArrayLike, second: npt.ArrayLike) -> list[Float64Array]:
    pair = [np.asarray(values, np.float64) for values in (first, second)]
    if not classes or any(values.shape != (len(classes),) for values in pair):
        raise ValueError(
            f"a bar chart needs at least one class and two values per class; there are {len(classes)} classes"
        )
    return pair


def _measures(classes: Sequence[str], title: str) -> tuple[float, float, float, float]:
    """Return the widths of names, bars and the gap between columns, and the height of the head, in inches."""
    # At the names' font size of 8 points, a letter is about a sixteenth of an inch wide.
    names = 0.25 + min(2.4, 0.066 * max(map(len, classes)))
    return names, _BARS * _X_MAX / 100, names + 0.25, (0.93 if title else 0.63)


def _divide(sizes: Mapping[str, int]) -> list[list[str]]:
    """Divide groups into columns of about equal height, in order; ``sizes`` are numbers of classes."""
    count = math.ceil(sum(sizes.values()) / _COLUMN)
    heights = {name: _HEADING + _ROW * size for name, size in sizes.items()}
    target, reached = sum(heights.values()) / count, 0.0
    columns: list[list[str]] = [[] for _ in range(count)]
    for name, height in heights.items():
        # A group belongs to the column in which its middle lies.
        columns[min(count - 1, int((reached + height / 2) / target))].append(name)
        reached += height
    return [column for column in columns if column]


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


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
    area.set_yticks(positions, [name if len(name) <= 36 else f"{name[:33]}..." for name in names], fontsize=8)
    area.tick_params(axis="y", length=0)
    area.grid(axis="x", color=GRAY, alpha=0.22, linewidth=0.5)


def _scale(area: Axes, *, labeled: bool = True) -> None:
    """Set the ticks of a chart, and label them, or leave that to the chart below it."""
    area.set_xticks(range(0, 101, 20))
    if labeled:
        area.set_xlabel("average precision, %; bold: difference")
    else:
        area.tick_params(axis="x", length=0, labelbottom=False)


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

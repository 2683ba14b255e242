"""Reliability diagrams: observed frequency against predicted probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeloc.metrics import ReliabilityBins
from freeloc.visualization.plots import DARK, GRAY, figure_style, grid_axes, halo, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReliabilityCurve", "reliability_diagram"]


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """One curve of a reliability diagram.

    Attributes:
        label: name in the legend, such as "calibrated".
        bins: the bins, from `freeloc.metrics.reliability_bins`.
        color: a matplotlib color.
    """

    label: str
    bins: ReliabilityBins
    color: str


def reliability_diagram(curves: Sequence[ReliabilityCurve], title: str = "") -> Figure:
    """Draw observed frequency against mean probability and, in a second panel, the number of pairs per bin.

    A pair consists of an image and a class. Where a curve is on the diagonal, probabilities match observed
    frequencies; where it is below, they are too high. The number in the upper panel is the expected calibration
    error in percent. The counts have a logarithmic scale, because in most pairs the class is absent and the
    probability is near 0, so that one bin contains far more pairs than the others.

    Args:
        curves: the curves, in drawing order; usually before and after calibration.
        title: title above the diagram.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: ``curves`` is empty.
    """
    if not curves:
        raise ValueError("a reliability diagram needs at least one curve")
    side, counts_height = 2.6, 0.7
    top = 0.95 if title else 0.65
    size = (max(side + 0.85, 4.0), top + side + 0.15 + counts_height + 0.5)
    with figure_style():
        figure = new_figure(*size, title)
        ((upper,), (lower,)) = grid_axes(
            figure, [side, counts_height], [side], left=0.7, top=top, gap_x=0, gap_y=0.15
        )
        _set_up_axes(upper, lower)
        upper.plot([0, 1], [0, 1], color=GRAY, linewidth=0.6, dashes=(4, 3))
        for index, curve in enumerate(curves):
            _draw_curve(upper, lower, curve, len(curves) - 1 - index)
        _scale_counts(lower, max(float(curve.bins.counts.max()) for curve in curves))
        _draw_legend(figure, curves, (0.1 / size[0], 1 - (top - 0.5) / size[1]))
    return figure


def _draw_curve(upper: Axes, lower: Axes, curve: ReliabilityCurve, line: int) -> None:
    """Draw a curve through its non-empty bins, its counts as steps, and its calibration error as text."""
    filled = curve.bins.counts > 0
    upper.plot(
        curve.bins.probability[filled],
        curve.bins.frequency[filled],
        color=curve.color,
        linewidth=1.1,
        marker="o",
        markersize=3,
        clip_on=False,
    )
    lower.stairs(np.maximum(curve.bins.counts, 0.5), curve.bins.edges, color=curve.color, linewidth=1.1)
    error = "–" if np.isnan(curve.bins.error) else f"{100 * curve.bins.error:.1f}"
    text = upper.text(
        0.96, 0.05 + 0.07 * line, error, ha="right", color=curve.color, fontsize=8, weight="bold"
    )
    text.set_path_effects(halo())


def _scale_counts(lower: Axes, max_count: float) -> None:
    """Put ticks at about three powers of ten, up to the largest count.

    Labels are plain numbers (100, not 10²), because math text is disabled.
    """
    powers = [10.0**power for power in range(max(1, math.ceil(math.log10(max(max_count, 1)))) + 1)]
    lower.set_ylim(0.5, 2 * powers[-1])
    shown = powers[:: max(1, len(powers) // 3)]
    lower.set_yticks(shown, [f"{value:,.0f}" for value in shown])
    lower.set_yticks([], minor=True)


def _set_up_axes(upper: Axes, lower: Axes) -> None:
    ticks = [0, 0.25, 0.5, 0.75, 1]
    labels = ["0", ".25", ".5", ".75", "1"]
    for axes in (upper, lower):
        axes.set_xlim(0, 1)
        axes.tick_params(length=2, pad=2)
        axes.grid(color=GRAY, alpha=0.22, linewidth=0.5)
    upper.set_ylim(0, 1)
    upper.set_xticks(ticks, [])
    upper.set_yticks(ticks, labels)
    upper.set_ylabel("share present", labelpad=2, color=DARK)
    lower.set_yscale("log")
    lower.set_xticks(ticks, labels)
    lower.set_xlabel("probability", labelpad=1, color=DARK)
    lower.set_ylabel("pairs", labelpad=2, color=DARK)


def _draw_legend(figure: Figure, curves: Sequence[ReliabilityCurve], anchor: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=curve.color, label=f"{curve.label} (number: error, %)") for curve in curves]
    figure.legend(
        handles=lines, loc="upper left", bbox_to_anchor=anchor, ncols=1, borderpad=0, borderaxespad=0
    )

"""Reliability diagrams: what share of the pairs called so sure is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeloc.metrics import ReliabilityBins
from freeloc.visualization.plots import INK, QUIET, grid_axes, halo, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReliabilitySet", "reliability_diagram"]


@dataclass(frozen=True, eq=False)
class ReliabilitySet:
    """One model's bins.

    Attributes:
        label: for the legend, such as "calibrated".
        bins: of `freeloc.metrics.reliability_bins`.
        colour: as matplotlib knows it.
    """

    label: str
    bins: ReliabilityBins
    colour: str


def reliability_diagram(sets: Sequence[ReliabilitySet], title: str = "") -> Figure:
    """Draw the share of present classes over their mean probability, and below it how many pairs each bin holds.

    On the diagonal probabilities are true; below it they are too high. The number in the panel is the expected
    calibration error. Pairs are counted on a logarithmic scale: most are absent and near 0.

    Args:
        sets: drawn in this order; usually before and after calibration.
        title: above.

    Raises:
        FreelocError: matplotlib is not installed.
        ValueError: there is nothing to draw.
    """
    if not sets:
        raise ValueError("a reliability diagram needs at least one set of bins")
    side, foot = 2.6, 0.7
    head = 0.95 if title else 0.65
    size = (max(side + 0.85, 4.0), head + side + 0.15 + foot + 0.5)
    with styled():
        figure = new_figure(*size, title)
        ((upper,), (lower,)) = grid_axes(
            figure, [side, foot], [side], left=0.7, top=head, gap_x=0, gap_y=0.15
        )
        _frame(upper, lower)
        upper.plot([0, 1], [0, 1], color=QUIET, linewidth=0.6, dashes=(4, 3))
        for place, one in enumerate(sets):
            _draw(upper, lower, one, len(sets) - 1 - place)
        _count_pairs(lower, max(float(one.bins.counts.max()) for one in sets))
        _legend(figure, sets, (0.1 / size[0], 1 - (head - 0.5) / size[1]))
    return figure


def _draw(upper: Axes, lower: Axes, one: ReliabilitySet, line: int) -> None:
    """One set: points joined where a bin is filled, its counts as steps, its error as a number."""
    filled = one.bins.counts > 0
    upper.plot(
        one.bins.probability[filled],
        one.bins.frequency[filled],
        color=one.colour,
        linewidth=1.1,
        marker="o",
        markersize=3,
        clip_on=False,
    )
    lower.stairs(np.maximum(one.bins.counts, 0.5), one.bins.edges, color=one.colour, linewidth=1.1)
    words = "–" if np.isnan(one.bins.error) else f"{100 * one.bins.error:.1f}"
    text = upper.text(
        0.96, 0.05 + 0.07 * line, words, ha="right", color=one.colour, fontsize=8, weight="bold"
    )
    text.set_path_effects(halo())


def _count_pairs(lower: Axes, most: float) -> None:
    """Three or so powers of ten up to the fullest bin, in figures: mathematical text is not parsed."""
    powers = [10.0**power for power in range(max(1, math.ceil(math.log10(max(most, 1)))) + 1)]
    lower.set_ylim(0.5, 2 * powers[-1])
    shown = powers[:: max(1, len(powers) // 3)]
    lower.set_yticks(shown, [f"{value:,.0f}" for value in shown])
    lower.set_yticks([], minor=True)


def _frame(upper: Axes, lower: Axes) -> None:
    ticks = [0, 0.25, 0.5, 0.75, 1]
    names = ["0", ".25", ".5", ".75", "1"]
    for area in (upper, lower):
        area.set_xlim(0, 1)
        area.tick_params(length=2, pad=2)
        area.grid(color=QUIET, alpha=0.22, linewidth=0.5)
    upper.set_ylim(0, 1)
    upper.set_xticks(ticks, [])
    upper.set_yticks(ticks, names)
    upper.set_ylabel("share present", labelpad=2, color=INK)
    lower.set_yscale("log")
    lower.set_xticks(ticks, names)
    lower.set_xlabel("probability", labelpad=1, color=INK)
    lower.set_ylabel("pairs", labelpad=2, color=INK)


def _legend(figure: Figure, sets: Sequence[ReliabilitySet], place: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=one.colour, label=f"{one.label} (number: error, %)") for one in sets]
    figure.legend(
        handles=lines, loc="upper left", bbox_to_anchor=place, ncols=1, borderpad=0, borderaxespad=0
    )

"""The figures of a reproduction of the paper, from plain data, each as PNG and SVG (extra ``reproduce``).

Nothing here knows how a number or a map was made. A function draws and gives a matplotlib figure;
`save_figure` writes it, `figure_bytes` gives it to `freeloc.report.html`.
"""

from freeloc.report.bars import class_bars, order_by_gap
from freeloc.report.curves import CurveSet, precision_recall_grid
from freeloc.report.evolution import EvolutionRow, Frame, draw_evolution
from freeloc.report.examples import ExtentExample, PointExample, draw_extents, draw_points
from freeloc.report.plotting import (
    BLUE,
    GREEN,
    MAGENTA,
    PAPER_PAIRS,
    RED,
    FigureFormat,
    figure_bytes,
    save_figure,
)
from freeloc.report.reliability import ReliabilitySet, reliability_diagram

__all__ = [
    "BLUE",
    "GREEN",
    "MAGENTA",
    "PAPER_PAIRS",
    "RED",
    "CurveSet",
    "EvolutionRow",
    "ExtentExample",
    "FigureFormat",
    "Frame",
    "PointExample",
    "ReliabilitySet",
    "class_bars",
    "draw_evolution",
    "draw_extents",
    "draw_points",
    "figure_bytes",
    "order_by_gap",
    "precision_recall_grid",
    "reliability_diagram",
    "save_figure",
]

"""The figures of a reproduction of the paper, from plain data, each as PNG and SVG (extra ``reproduce``).

Nothing here knows how a number or a map was made. A function draws and gives a matplotlib figure;
`save_figure` writes it, `figure_bytes` gives it to `freeloc.visualization.html_report`.
"""

from freeloc.paper.figures.class_bars import class_bars, order_by_gap
from freeloc.paper.figures.examples import BoxExample, PointExample, draw_boxes_figure, draw_points
from freeloc.paper.figures.map_evolution import EvolutionRow, Frame, draw_evolution
from freeloc.paper.figures.precision_recall import CurveSet, precision_recall_grid
from freeloc.visualization.plots import (
    BLUE,
    GREEN,
    MAGENTA,
    PAPER_PAIRS,
    RED,
    FigureFormat,
    figure_bytes,
    save_figure,
)
from freeloc.visualization.reliability_diagram import ReliabilityCurve, reliability_diagram

__all__ = [
    "BLUE",
    "GREEN",
    "MAGENTA",
    "PAPER_PAIRS",
    "RED",
    "BoxExample",
    "CurveSet",
    "EvolutionRow",
    "FigureFormat",
    "Frame",
    "PointExample",
    "ReliabilityCurve",
    "class_bars",
    "draw_boxes_figure",
    "draw_evolution",
    "draw_points",
    "figure_bytes",
    "order_by_gap",
    "precision_recall_grid",
    "reliability_diagram",
    "save_figure",
]

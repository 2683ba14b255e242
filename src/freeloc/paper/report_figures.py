"""Figures of the report about classes: bars by class and by group, and precision-recall curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from freeloc.metrics import Ranking
from freeloc.paper.figures.class_bars import draw_class_bars, draw_group_bars
from freeloc.paper.figures.precision_recall import CurveSet, draw_precision_recall
from freeloc.paper.measured_rows import MeasuredRow
from freeloc.paper.study_folder import StudyFolder
from freeloc.paper.study_result import StudyResult
from freeloc.paper.super_categories import super_categories
from freeloc.visualization.html_report import Figure
from freeloc.visualization.plots import BLUE, GRAY, GREEN, PAPER_PAIRS, RED, save_figure

__all__ = ["bar_figures", "curve_figures", "group_figures", "saved_figure"]

_COMPARISONS = (
    ("classification", ("weak", "classification"), ("full", "classification"), "supervision"),
    ("context", ("weak", "classification"), ("weak", "location"), "location"),
    ("masked", ("weak", "location"), ("masked", "location"), "masked"),
)
"""The comparisons of the paper's Figure 5: name of the file, the two rows and measures, and their colors."""


def bar_figures(result: StudyResult, folder: StudyFolder) -> Iterator[Figure]:
    """Draw those comparisons of the paper's Figure 5 for which both rows were evaluated, by difference."""
    for name, labels, values, colors in _compared(result):
        title = f"{labels[0]} against {labels[1]}"
        plot = draw_class_bars(result.classes, *values, labels, title, colors=colors)
        yield saved_figure(plot, folder.figures / f"bars_{name}", f"{title}, largest difference first.")


def group_figures(result: StudyResult, folder: StudyFolder) -> Iterator[Figure]:
    """Draw the same comparisons, and ours with the paper's values, by super-category; none if there are none."""
    groups = {group.name: group.classes for group in super_categories(result.study.name, result.classes)}
    if not groups:
        return
    for name, labels, values, colors in (*_compared(result), *_beside_paper(result)):
        title = f"{labels[0]} against {labels[1]}"
        plot = draw_group_bars(groups, result.classes, *values, labels, title, colors=colors)
        yield saved_figure(plot, folder.figures / f"groups_{name}", f"{title}, by super-category.")


def curve_figures(result: StudyResult, folder: StudyFolder) -> Iterator[Figure]:
    """Draw the precision-recall curves of the main rows, one figure per measure."""
    rows = {row.plan.key: row for row in result.rows}
    keys = [key for key in ("weak", "full", "own") if key in rows]
    for measure in ("classification", "location"):
        sets = []
        for key, color in zip(keys, (BLUE, RED, GREEN), strict=False):
            ranking = rows[key].metrics[measure]
            if isinstance(ranking, Ranking):
                curves = [ranking.curve(index) for index in range(len(result.classes))]
                sets.append(CurveSet(rows[key].title, curves, color))
        if sets:
            title = f"Precision-recall curves: {measure}"
            plot = draw_precision_recall(result.classes, sets, title)
            yield saved_figure(plot, folder.figures / f"curves_{measure}", f"{title}, by class.")


def saved_figure(plot: Any, path: Path, caption: str) -> Figure:
    """Write a matplotlib figure as PNG and SVG, and return it for the report.

    Raises:
        OutputError: a file cannot be written.
    """
    png, _svg = save_figure(plot, path)
    return Figure(png.read_bytes(), caption, caption)


_Comparison = tuple[str, tuple[str, str], tuple[list[float], list[float]], tuple[str, str]]
"""Name of the file, labels, values by class and colors."""


def _compared(result: StudyResult) -> Iterator[_Comparison]:
    rows = {row.plan.key: row for row in result.rows}
    for name, first, second, colors in _COMPARISONS:
        if first[0] in rows and second[0] in rows:
            labels = (_label(rows, first), _label(rows, second))
            yield name, labels, (_values(rows, first), _values(rows, second)), PAPER_PAIRS[colors]


def _beside_paper(result: StudyResult) -> Iterator[_Comparison]:
    """Yield our classification beside the values that the paper prints in its Figure 5."""
    for item in result.paper:
        if item.ours and item.published.key == "classification":
            ours = dict(zip(item.classes, (interval.estimate for interval in item.ours), strict=True))
            values = (
                [ours.get(name, math.nan) for name in result.classes],
                [item.published.values.get(name, math.nan) / 100 for name in result.classes],
            )
            labels = (f"{item.title}: classification", f"paper ({item.published.data})")
            yield "paper", labels, values, (BLUE, GRAY)


def _label(rows: Mapping[str, MeasuredRow], which: tuple[str, str]) -> str:
    row, measure = which
    return f"{rows[row].title}: {measure}"


def _values(rows: Mapping[str, MeasuredRow], which: tuple[str, str]) -> list[float]:
    row, measure = which
    return [interval.estimate for interval in rows[row].measures[measure].classes]

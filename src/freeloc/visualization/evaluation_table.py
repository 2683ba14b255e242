"""Text tables of evaluation results."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator

from rich.table import Table

from freeloc.evaluation.calibration_report import CalibrationReport
from freeloc.evaluation.decision_report import DecisionReport
from freeloc.evaluation.evaluate import Evaluation
from freeloc.evaluation.measures import MEASURES, box_measure
from freeloc.io.plain_console import PlainConsole
from freeloc.io.terminal import standard_output
from freeloc.metrics import Interval

__all__ = ["print_evaluation", "render_evaluation"]

_WIDTH = 160


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the summary, the box AP of detections if there are any, and the tables per class to standard output.

    Raises:
        OutputError: standard output is closed, or cannot be written to.
        BrokenPipeError: the program that reads the output has ended.
    """
    with standard_output() as stream:
        console = PlainConsole(file=stream)
        if not console.is_terminal:
            console = PlainConsole(file=stream, width=_WIDTH)
        _print_tables(console, evaluation)


def render_evaluation(evaluation: Evaluation) -> str:
    """Return the tables of `print_evaluation` as plain text."""
    buffer = io.StringIO()
    console = PlainConsole(width=_WIDTH, file=buffer)
    _print_tables(console, evaluation)
    return buffer.getvalue()


def _print_tables(console: PlainConsole, evaluation: Evaluation) -> None:
    for item in _tables(evaluation):
        if isinstance(item, Table) and item.title is not None:
            # As the title of the table, it would be wrapped to the width of the table.
            console.print(item.title)
            item.title = None
        console.print(item)


def _tables(evaluation: Evaluation) -> Iterator[Table | str]:
    yield _summary(evaluation)
    if not evaluation.boxes:
        yield (
            f"{evaluation.dataset} has tags but no boxes: location AP and the pointing game need annotated boxes, "
            "so only the scores of images were evaluated"
        )
    yield from map(_calibration_line, evaluation.calibration_reports)
    if any(row.measures.keys() - MEASURES.keys() for row in evaluation.rows):
        yield _boxes(evaluation)
    yield _per_class(evaluation) if evaluation.boxes else _per_class_without_boxes(evaluation)
    for report in evaluation.decision_reports:
        yield _decisions(evaluation, report)


def _calibration_line(report: CalibrationReport) -> str:
    result = report.result
    return (
        f"{report.name}: calibration error {_with_interval(result.error)}, mean over classes "
        f"{_with_interval(result.per_class.mean)}, Brier score {_with_interval(result.brier)} "
        f"({'calibrated' if report.calibrated else 'not calibrated'}; %)"
    )


def _boxes(evaluation: Evaluation) -> Table:
    """Return a table of the box AP at each IoU threshold, with one row per detector."""
    table = Table(title="all boxes: AP, means over classes, 95% intervals", title_justify="left")
    table.add_column("boxes of")
    overlaps = evaluation.options.box_iou
    for iou in overlaps:
        table.add_column(f"IoU {iou:g}", justify="right")
    for row in evaluation.rows:
        if box_measure(overlaps[0]) in row.measures:
            table.add_row(
                row.name, *(_with_interval(row.measures[box_measure(iou)].mean) for iou in overlaps)
            )
    return table


def _summary(evaluation: Evaluation) -> Table:
    table = Table(
        title=f"{evaluation.dataset}: {evaluation.images} images, means over classes, 95% intervals",
        title_justify="left",
    )
    table.add_column("points of" if evaluation.boxes else "scores of")
    measures = {key: title for key, title in MEASURES.items() if key in evaluation.rows[0].measures}
    for title in measures.values():
        table.add_column(title, justify="right")
    for row in evaluation.rows:
        table.add_row(row.name, *(_with_interval(row.measures[key].mean) for key in measures))
    return table


def _per_class(evaluation: Evaluation) -> Table:
    """Return a table with one row per class.

    Its columns are the number of images, the classification AP of the first model, and all location APs.
    """
    table = Table(title="per class: classification AP, and location AP of every row", title_justify="left")
    table.add_column("class")
    table.add_column("images", justify="right")
    table.add_column("classification", justify="right")
    for row in evaluation.rows:
        table.add_column(row.name, justify="right")
    for index, name in enumerate(evaluation.classes):
        first = evaluation.rows[0].measures["classification"].classes[index]
        located = (row.measures["location"].classes[index] for row in evaluation.rows)
        cells = [_percent(first.estimate), *(_percent(value.estimate) for value in located)]
        table.add_row(name, str(evaluation.positives[index]), *cells)
    means = (row.measures["location"].mean.estimate for row in evaluation.rows)
    overall = evaluation.rows[0].measures["classification"].mean.estimate
    table.add_section()
    table.add_row("mean", "", _percent(overall), *map(_percent, means))
    return table


def _per_class_without_boxes(evaluation: Evaluation) -> Table:
    """Return a table with one row per class: the number of images, and the classification AP of all models."""
    table = Table(title="classification AP of each class, 95% intervals", title_justify="left")
    table.add_column("class")
    for title in ("images", *(row.name for row in evaluation.rows)):
        table.add_column(title, justify="right")
    results = [row.measures["classification"] for row in evaluation.rows]
    for index, name in enumerate(evaluation.classes):
        cells = (_with_interval(result.classes[index]) for result in results)
        table.add_row(name, str(evaluation.positives[index]), *cells)
    table.add_section()
    table.add_row("mean", "", *(_with_interval(result.mean) for result in results))
    return table


def _decisions(evaluation: Evaluation, report: DecisionReport) -> Table:
    """Return a table of what the thresholds of one model decide."""
    table = Table(
        title=f"{report.name}: images that reach the threshold of a class (%)", title_justify="left"
    )
    table.add_column("class")
    for title in ("threshold", "precision", "recall", "F1", "best threshold here", "F1 with it"):
        table.add_column(title, justify="right")
    for name, item in zip(evaluation.classes, report.classes, strict=True):
        values = (
            *(item.threshold, item.precision, item.recall, item.f1),
            *(item.best_threshold, item.best_f1),
        )
        table.add_row(name, *map(_percent, values))
    return table


def _with_interval(value: Interval) -> str:
    if math.isnan(value.estimate):
        return "–"
    return f"{_percent(value.estimate)} [{_percent(value.low)}, {_percent(value.high)}]"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"

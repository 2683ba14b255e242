"""Rows as numbers: every measure with its 95% interval, and every difference tested on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freeloc.evaluation.annotations import Annotations
from freeloc.evaluation.collect import Predictions
from freeloc.evaluation.measures import box_measure, detector_metrics, intervals, point_metrics
from freeloc.evaluation.options import EvaluationOptions
from freeloc.evaluation.to_json import measure_as_json
from freeloc.metrics import (
    BOX_IOU,
    BootstrapResult,
    Detections,
    PairedBootstrap,
    WeightedMetric,
    paired_bootstrap,
)
from freeloc.paper.rows import RowPlan

__all__ = [
    "BOX_MEASURES",
    "COMPARED",
    "MeasuredRow",
    "as_json",
    "compare",
    "measure",
    "measure_boxes",
]

BOX_MEASURES = tuple(box_measure(iou) for iou in BOX_IOU)
"""What rows of boxes are measured by besides."""

COMPARED = ("classification", "location", *BOX_MEASURES)
"""The measures whose differences between rows are tested, where both rows have them."""


@dataclass(frozen=True, eq=False)
class MeasuredRow:
    """One row of a table.

    Attributes:
        plan: what it is.
        metrics: what its numbers are made of, by the keys of `freeloc.evaluation.measures.MEASURES`; rows
        of boxes have
            `BOX_MEASURES` besides.
        measures: the numbers and their intervals, as shares of 1, by the same keys.
        differences: this row minus the one that it is held against, for each of `COMPARED`; empty where there is
            none.
    """

    plan: RowPlan
    metrics: Mapping[str, WeightedMetric]
    measures: Mapping[str, BootstrapResult]
    differences: Mapping[str, PairedBootstrap]


def measure(
    plan: RowPlan, predictions: Predictions, annotations: Annotations, options: EvaluationOptions
) -> MeasuredRow:
    """The numbers of one row, not held against any other yet.

    Args:
        plan: the row.
        predictions: of N images, in the row's way.
        annotations: of the N images.
        options: how to measure.
    """
    points, responses = predictions.points[plan.mode], predictions.responses[plan.mode]
    metrics = point_metrics(predictions.scores, points, responses, annotations, options)
    return MeasuredRow(plan, metrics, intervals(metrics, options), {})


def measure_boxes(
    plan: RowPlan, found: Detections, annotations: Annotations, options: EvaluationOptions
) -> MeasuredRow:
    """The numbers of a row of boxes; the arguments are those of `freeloc.evaluation.measures.detector_metrics`."""
    metrics = detector_metrics(found, annotations, options)
    return MeasuredRow(plan, metrics, intervals(metrics, options), {})


def compare(rows: Sequence[MeasuredRow], options: EvaluationOptions) -> tuple[MeasuredRow, ...]:
    """The same rows, each with its differences from the row it is held against, where that was measured too."""
    known = {row.plan.key: row for row in rows}
    compared = []
    for row in rows:
        other = known.get(row.plan.against or "")
        differences = {
            key: paired_bootstrap(
                row.metrics[key], other.metrics[key], resamples=options.resamples, seed=options.seed
            )
            for key in COMPARED
            if other is not None and key in row.metrics and key in other.metrics
        }
        compared.append(MeasuredRow(row.plan, row.metrics, row.measures, differences))
    return tuple(compared)


def as_json(row: MeasuredRow, classes: Sequence[str]) -> dict[str, Any]:
    """A row as plain JSON values, in percent; classes with nothing to measure are null."""
    plan = row.plan
    return {
        "key": plan.key,
        "letter": plan.letter,
        "title": plan.title,
        "group": plan.group,
        "scales": list(plan.scales),
        "location_mode": plan.mode if plan.extent is None else "box",
        "box_supervision": plan.boxes,
        "measures": {key: measure_as_json(result, classes) for key, result in row.measures.items()},
        "against": plan.against if row.differences else None,
        "differences": {
            key: {**measure_as_json(result, classes), "better": round(result.first_better, 4)}
            for key, result in row.differences.items()
        },
    }

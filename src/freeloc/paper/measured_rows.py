"""Results of rows: all measures with their 95% intervals, and differences between rows on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    classification_ranking,
    paired_bootstrap,
)
from freeloc.paper.row_plans import RowPlan
from freeloc.training.convergence import TrainingOutcome

__all__ = [
    "BOX_MEASURES",
    "COMPARED_MEASURES",
    "MeasuredRow",
    "compare_rows",
    "measure_boxes",
    "measure_points",
    "row_as_json",
]

BOX_MEASURES = tuple(box_measure(iou) for iou in BOX_IOU)
"""Additional measures of box rows."""

COMPARED_MEASURES = ("classification", "location", *BOX_MEASURES)
"""Measures on which two rows are compared, if both rows have them."""


@dataclass(frozen=True, eq=False)
class MeasuredRow:
    """One row of a table, with its results.

    Attributes:
        plan: the plan of the row.
        metrics: the metrics, under the keys of `freeloc.evaluation.measures.MEASURES`; for box rows, also those
            in `BOX_MEASURES`.
        measures: value and interval of each metric as fractions, under the same keys.
        differences: for each of `COMPARED_MEASURES`, the value of this row minus that of the row it is compared
            with; empty if there is no such row, or if one of the two did not converge.
        training: how each model was trained that determines the scores, by its key; empty for rows without such a
            model.
    """

    plan: RowPlan
    metrics: Mapping[str, WeightedMetric]
    measures: Mapping[str, BootstrapResult]
    differences: Mapping[str, PairedBootstrap]
    training: Mapping[str, TrainingOutcome] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether the training of all models of the row converged."""
        return all(outcome.converged for outcome in self.training.values())

    @property
    def title(self) -> str:
        """Title in tables, which says so if training did not converge."""
        return self.plan.title if self.converged else f"{self.plan.title} (did not converge)"


def measure_points(
    plan: RowPlan, predictions: Predictions, annotations: Annotations, options: EvaluationOptions
) -> MeasuredRow:
    """Compute the measures of a point row, or of scores without points, without comparing it to another row.

    Args:
        plan: the row.
        predictions: predictions for N images in the row's location mode; without any points, only classification
            is measured.
        annotations: annotations of the N images.
        options: evaluation options.
    """
    if not predictions.points:
        ranking = classification_ranking(predictions.scores, annotations.labels, options.flavour)
        scored: dict[str, WeightedMetric] = {"classification": ranking}
        return MeasuredRow(plan, scored, intervals(scored, options), {})
    points, responses = predictions.points[plan.mode], predictions.responses[plan.mode]
    metrics = point_metrics(predictions.scores, points, responses, annotations, options)
    return MeasuredRow(plan, metrics, intervals(metrics, options), {})


def measure_boxes(
    plan: RowPlan, detections: Detections, annotations: Annotations, options: EvaluationOptions
) -> MeasuredRow:
    """Compute the measures of a box row, without comparing it to another row.

    Args:
        plan: the row.
        detections: boxes in N images.
        annotations: annotations of the N images.
        options: evaluation options.
    """
    metrics = detector_metrics(detections, annotations, options)
    return MeasuredRow(plan, metrics, intervals(metrics, options), {})


def compare_rows(rows: Sequence[MeasuredRow], options: EvaluationOptions) -> tuple[MeasuredRow, ...]:
    """Add to each row its differences from the row it is compared with, if ``rows`` contains that row.

    Rows whose training did not converge are not compared: they show the number of training steps, not the method.
    """
    by_key = {row.plan.key: row for row in rows}
    compared = []
    for row in rows:
        other = by_key.get(row.plan.against or "")
        differences = {
            key: paired_bootstrap(
                row.metrics[key], other.metrics[key], resamples=options.resamples, seed=options.seed
            )
            for key in COMPARED_MEASURES
            if other is not None and row.converged and other.converged
            if key in row.metrics and key in other.metrics
        }
        compared.append(replace(row, differences=differences))
    return tuple(compared)


def row_as_json(row: MeasuredRow, classes: Sequence[str]) -> dict[str, Any]:
    """Convert a row to plain JSON values; measures are in percent, and undefined values are null."""
    plan = row.plan
    return {
        "key": plan.key,
        "letter": plan.letter,
        "title": plan.title,
        "group": plan.group,
        "scales": list(plan.scales),
        "location_mode": None if not plan.scales else plan.mode if plan.box_method is None else "box",
        "box_supervision": plan.box_supervision,
        "protocol": plan.protocol,
        "training": {key: outcome.to_dict() for key, outcome in row.training.items()},
        "converged": row.converged,
        "measures": {key: measure_as_json(result, classes) for key, result in row.measures.items()},
        "against": plan.against if row.differences else None,
        "differences": {
            key: {**measure_as_json(result, classes), "better": round(result.first_better, 4)}
            for key, result in row.differences.items()
        },
    }

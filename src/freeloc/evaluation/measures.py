"""Measures in the rows of an evaluation table."""

from __future__ import annotations

from collections.abc import Mapping

from freeloc._typing import Float32Array, Float64Array
from freeloc.evaluation.annotations import Annotations
from freeloc.evaluation.options import EvaluationOptions
from freeloc.metrics import (
    BootstrapResult,
    Detections,
    WeightedMetric,
    best_boxes,
    bootstrap_intervals,
    classification_ranking,
    detection_rankings,
    location_ap,
    pointing_game,
)

__all__ = ["MEASURES", "box_measure", "detector_metrics", "intervals", "point_metrics"]

MEASURES = {
    "classification": "classification AP",
    "location": "location AP",
    "pointing": "pointing game, all",
    "pointing_difficult": "pointing game, difficult",
}
"""Titles, by key, of the measures that every row of the table contains."""


def box_measure(iou: float) -> str:
    """Return the key of box AP at an IoU threshold, such as "box_ap_50"."""
    return f"box_ap_{100 * iou:g}"


def point_metrics(
    scores: Float32Array | Float64Array,
    points: Float64Array,
    responses: Float32Array | Float64Array,
    annotations: Annotations,
    options: EvaluationOptions,
) -> dict[str, WeightedMetric]:
    """Compute the metrics listed in `MEASURES`, with the same keys, from scores and points.

    Two rows over the same images can be compared with `freeloc.metrics.paired_bootstrap`, key by key.

    Args:
        scores: (N, K) classification scores.
        points: (N, K, 2) x and y in image coordinates.
        responses: (N, K) values of the map at the points; location AP ranks by them if the options require it.
        annotations: labels and boxes of the N images.
        options: options of the metrics.
    """
    labels, sizes, truth = annotations.labels, annotations.sizes, annotations.ground_truth
    location = location_ap(points, sizes, truth, labels, scores, responses, options.location)
    return {
        "classification": classification_ranking(scores, labels, options.flavour),
        "location": location.ranking,
        "pointing": pointing_game(points, sizes, truth, "all", options.pointing).counts,
        "pointing_difficult": pointing_game(points, sizes, truth, "difficult", options.pointing).counts,
    }


def detector_metrics(
    detections: Detections, annotations: Annotations, options: EvaluationOptions
) -> dict[str, WeightedMetric]:
    """Compute the metrics of a detector: those listed in `MEASURES`, and box AP at each IoU threshold.

    Box AP is keyed by the `box_measure` of its threshold. The score of a class in an image is that of its
    highest-scoring box; the point is the center of that box.

    Args:
        detections: the boxes of the detector.
        annotations: labels and boxes of the N images.
        options: options of the metrics.
    """
    scores, points = best_boxes(detections, annotations.n_images, annotations.n_classes)
    metrics = point_metrics(scores, points, scores, annotations, options)
    rankings = detection_rankings(
        detections, annotations.ground_truth, annotations.n_classes, options.box_iou, options.flavour
    )
    return metrics | {box_measure(ranking.iou): ranking for ranking in rankings}


def intervals(
    metrics: Mapping[str, WeightedMetric], options: EvaluationOptions
) -> dict[str, BootstrapResult]:
    """Compute the values and bootstrap intervals of metrics, keyed like ``metrics``."""
    return {
        key: bootstrap_intervals(metric, resamples=options.resamples, seed=options.seed)
        for key, metric in metrics.items()
    }

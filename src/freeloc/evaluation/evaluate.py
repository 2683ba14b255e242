"""Evaluation tables of models and detectors, with 95% intervals."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

from freeloc._literals import PointKind
from freeloc._typing import Float32Array, Float64Array
from freeloc._validation import check_arguments, describe_value
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.datasets.training_data import DataOptions
from freeloc.errors import ConfigurationError
from freeloc.evaluation.annotations import Annotations, check_positives, has_boxes
from freeloc.evaluation.calibration_report import CalibrationReport, calibration_report
from freeloc.evaluation.collect import Predictions
from freeloc.evaluation.decision_report import DecisionReport, decision_report
from freeloc.evaluation.inputs import predict_for_evaluation
from freeloc.evaluation.measures import detector_metrics, intervals, point_metrics
from freeloc.evaluation.options import EvaluationOptions
from freeloc.evaluation.to_json import measure_as_json
from freeloc.inference.localizer import Localizer
from freeloc.metrics import (
    BootstrapResult,
    Detections,
    best_boxes,
    center_points,
    classification_ranking,
)

__all__ = ["Evaluation", "Row", "evaluate"]


@dataclass(frozen=True, eq=False, repr=False)
class Row:
    """One row of the table.

    Attributes:
        name: model and location mode.
        measures: values and intervals of each class and of the mean, as fractions, keyed like
            `freeloc.evaluation.measures.MEASURES`; a detector's row also has box AP at each IoU threshold.
        point: which place of an object a model's point is; None if the row is not one of a model and its points.
    """

    name: str
    measures: Mapping[str, BootstrapResult]
    point: PointKind | None = None

    def __repr__(self) -> str:
        means = ", ".join(f"{key} {result.mean.estimate:.3f}" for key, result in self.measures.items())
        return f"Row({self.name!r}: {means})"


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Evaluation of models and detectors on one dataset.

    Attributes:
        dataset: name of the dataset.
        classes: the K class names.
        images: number of images.
        positives: number of images that contain each class.
        rows: the rows of the table.
        options: options of the metrics.
        calibration_reports: calibration of the probabilities of each model.
        decision_reports: what the thresholds of each model decide.
        boxes: whether the dataset has boxes; if not, rows have only the measure "classification".
    """

    dataset: str
    classes: tuple[str, ...]
    images: int
    positives: tuple[int, ...]
    rows: tuple[Row, ...]
    options: EvaluationOptions
    calibration_reports: tuple[CalibrationReport, ...] = ()
    decision_reports: tuple[DecisionReport, ...] = ()
    boxes: bool = True

    def __repr__(self) -> str:
        names = ", ".join(row.name for row in self.rows)
        return f"Evaluation({self.dataset!r}, {self.images} images, {len(self.classes)} classes: {names})"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values, in percent; undefined values are null."""
        return {
            "schema_version": 1,
            "dataset": self.dataset,
            "images": self.images,
            "boxes": self.boxes,
            "options": {**asdict(self.options), "box_iou": list(self.options.box_iou)},
            "positives": dict(zip(self.classes, self.positives, strict=True)),
            "rows": [
                {
                    "name": row.name,
                    **({} if row.point is None else {"point": row.point}),
                    **{key: measure_as_json(result, self.classes) for key, result in row.measures.items()},
                }
                for row in self.rows
            ],
            "calibration": [report.to_dict(self.classes) for report in self.calibration_reports],
            "decisions": [report.to_dict(self.classes) for report in self.decision_reports],
        }


@check_arguments
def evaluate(
    predictions: Sequence[Predictions | Localizer | str | Path] | Localizer | str | Path,
    dataset: Dataset | DataSource,
    options: EvaluationOptions | None = None,
    *,
    detections: Mapping[str, Detections] | None = None,
    quiet: bool = False,
    **data_options: Unpack[DataOptions],
) -> Evaluation:
    """Evaluate models, detectors and the center baseline on an annotated dataset.

    Each model has one row per location mode. Each detector has one row: the score of a class is that of its
    highest-scoring box, the point is the center of that box (paper, section 6, R-CNN), and box AP is computed from
    all its boxes. An image without a box of a class ranks last for that class and has no point. The center
    baseline takes its scores from the first model or detector and places every point at the center of the image.

    Without boxes, each model and each detector has one row, with classification AP alone, and there is no
    baseline.

    Args:
        predictions: a model, or a list of models, to run over the images: localizers, names, model files or run
            folders. For images that were already predicted, the results of `freeloc.evaluation.collect.collect`
            for each model.
        dataset: the images, with or without boxes, as an open dataset or, with models, as what `open_dataset`
            opens, such as a path.
        options: options of the metrics; None for the defaults.
        detections: boxes of each detector, keyed by the name shown in tables; required if there are no
            predictions.
        quiet: whether to hide progress.
        data_options: if ``dataset`` is a path, options of `open_dataset`, such as ``split="val"``.

    Raises:
        ConfigurationError: there are neither predictions nor detections, or models are mixed with predictions or
            detections, or an option is not valid.
        ModelError: a model cannot be loaded.
        DatasetError: only some images have boxes, or no image contains any of the classes.
        ImageError: there are no predictions, and the size of an image cannot be read.
    """
    options, detections = options or EvaluationOptions(), detections or {}
    predictions, dataset = _predicted(predictions, dataset, detections, data_options, quiet=quiet)
    if not predictions and not detections:
        raise ConfigurationError(
            "there is nothing to evaluate: pass the predictions of a model, or detections",
            parameter="detections",
        )
    check_positives(dataset)
    with_boxes = has_boxes(dataset)
    rows = (_rows if with_boxes else _tag_rows)(predictions, dataset, options, detections)
    calibration_reports = [
        calibration_report(
            item.name,
            item.probabilities,
            dataset.labels,
            options.calibration,
            calibrated=item.calibrated,
            resamples=options.resamples,
            seed=options.seed,
        )
        for item in predictions
        if item.probabilities is not None
    ]
    decision_reports = [
        decision_report(item.name, item.probabilities, item.thresholds, dataset.labels)
        for item in predictions
        if item.probabilities is not None and item.thresholds is not None
    ]
    return Evaluation(
        dataset.name,
        dataset.classes,
        len(dataset),
        tuple(int(count) for count in (dataset.labels == PRESENT).sum(axis=0)),
        tuple(rows),
        options,
        tuple(calibration_reports),
        tuple(decision_reports),
        with_boxes,
    )


def _predicted(
    given: Sequence[Predictions | Localizer | str | Path] | Localizer | str | Path,
    data: Dataset | DataSource,
    detections: Mapping[str, Detections],
    options: DataOptions,
    *,
    quiet: bool,
) -> tuple[Sequence[Predictions], Dataset]:
    """Run the models, if models are given, and return all predictions and the dataset."""
    items = [given] if isinstance(given, Localizer | str | os.PathLike) else list(given)
    predictions = [item for item in items if isinstance(item, Predictions)]
    models = [item for item in items if not isinstance(item, Predictions)]
    if models:
        if predictions or detections:
            name = "detections" if detections else "predictions"
            raise ConfigurationError(
                f"predictions contains models, but there are also {name}, which have the classes and images of an "
                "open dataset: pass collect(localizer, dataset, name) for each model",
                parameter="predictions",
            )
        return predict_for_evaluation(models, data, options, quiet=quiet)
    if not isinstance(data, Dataset) or options:
        given = describe_value(str(data) if isinstance(data, str | os.PathLike) else data)
        raise ConfigurationError(
            f"dataset is {given}: predictions and detections have the images of an open dataset, so open it "
            "with open_dataset, or pass models instead",
            parameter="dataset",
        )
    return predictions, data


def _rows(
    predictions: Sequence[Predictions],
    dataset: Dataset,
    options: EvaluationOptions,
    detections: Mapping[str, Detections],
) -> list[Row]:
    annotations = Annotations.read(dataset, predictions[0].sizes if predictions else None)
    rows = []
    for item in predictions:
        for mode, points in item.points.items():
            metrics = point_metrics(item.scores, points, item.responses[mode], annotations, options)
            point = item.point if mode == "fused" else "salient"
            rows.append(Row(f"{item.name}, {mode}", intervals(metrics, options), point))
    for name, boxes in detections.items():
        metrics = detector_metrics(boxes, annotations, options)
        rows.append(Row(_detector_row(name), intervals(metrics, options)))
    if predictions:
        scores = predictions[0].scores
    else:
        scores, _ = best_boxes(next(iter(detections.values())), len(dataset), len(dataset.classes))
    centers = center_points(annotations.sizes, len(dataset.classes))
    metrics = point_metrics(scores, centers, scores, annotations, options)
    rows.append(Row("center of the image", intervals(metrics, options)))
    return rows


def _tag_rows(
    predictions: Sequence[Predictions],
    dataset: Dataset,
    options: EvaluationOptions,
    detections: Mapping[str, Detections],
) -> list[Row]:
    """Return the rows for a dataset without boxes."""
    scores: list[tuple[str, Float32Array | Float64Array]] = [(item.name, item.scores) for item in predictions]
    shape = dataset.labels.shape
    scores += [(_detector_row(name), best_boxes(boxes, *shape)[0]) for name, boxes in detections.items()]
    return [
        Row(
            name,
            intervals(
                {"classification": classification_ranking(values, dataset.labels, options.flavour)}, options
            ),
        )
        for name, values in scores
    ]


def _detector_row(name: str) -> str:
    return f"{name}, surest box"

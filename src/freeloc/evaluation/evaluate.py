"""Measuring a model on annotated images: rows of numbers, each with its 95% interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from freeloc._typing import Float32Array, Float64Array
from freeloc.datasets.dataset import PRESENT, Dataset, Sample
from freeloc.errors import FreelocError
from freeloc.evaluation.reliability import CalibrationReport, calibration_report, measure_as_json
from freeloc.geometry.size import Size
from freeloc.images.decode import read_image_size
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization, LocationMode
from freeloc.io.progress import track
from freeloc.metrics import (
    BOX_IOU,
    APFlavour,
    BootstrapResult,
    CalibrationOptions,
    Detections,
    GroundTruth,
    LocationOptions,
    PointingOptions,
    WeightedMetric,
    best_boxes,
    bootstrap_intervals,
    centre_points,
    classification_ranking,
    detection_rankings,
    location_ap,
    pointing_game,
)
from freeloc.metrics.detection_ap import check_iou

__all__ = [
    "MEASURES",
    "Evaluation",
    "EvaluationOptions",
    "Predictions",
    "Row",
    "box_measure",
    "check_evaluable",
    "collect",
    "detector_metrics",
    "evaluate",
    "ground_truth_of",
    "measure_row",
    "row_metrics",
]

MEASURES = {
    "classification": "classification AP",
    "location": "location AP",
    "pointing": "pointing game, all",
    "pointing_difficult": "pointing game, difficult",
}
"""What every row is measured by, and how tables call it."""


def box_measure(iou: float) -> str:
    """What rows of detections call the average precision of their boxes, such as "box_ap_50"."""
    return f"box_ap_{100 * iou:g}"


@dataclass(frozen=True)
class EvaluationOptions:
    """How predictions are measured; docs/metrics.md says why each default is what it is.

    Attributes:
        flavour: how a precision-recall curve becomes one number, for classification and location alike; that
            of ``location`` follows it.
        location: the choices section 6 of the paper leaves open.
        pointing: the choices of the pointing game.
        resamples: bootstrap resamples over images.
        seed: of the resamples.
        box_iou: overlaps that the boxes of a detector are asked for; no concern of other rows.
        calibration: the bins of the calibration error.

    Raises:
        FreelocError: ``location`` asks for a flavour of its own, or an overlap is not above 0 and at most 1.
    """

    flavour: APFlavour = "area"
    location: LocationOptions = field(default_factory=LocationOptions)
    pointing: PointingOptions = field(default_factory=PointingOptions)
    resamples: int = 1000
    seed: int = 0
    box_iou: tuple[float, ...] = BOX_IOU
    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)

    def __post_init__(self) -> None:
        if self.location.flavour not in {self.flavour, LocationOptions().flavour}:
            raise FreelocError(
                f"the AP flavour is {self.flavour} but that of location is {self.location.flavour}: "
                "give one flavour for both"
            )
        for iou in self.box_iou:
            check_iou(iou)
        object.__setattr__(self, "location", replace(self.location, flavour=self.flavour))


@dataclass(frozen=True, eq=False)
class Predictions:
    """What evaluation keeps of one model's view of N images.

    Attributes:
        name: what the table calls the model.
        sizes: N image sizes.
        scores: (N, K) float32 or float64 classification scores.
        points: for each way to the point, (N, K, 2) image pixels.
        responses: for each way to the point, (N, K) values of the map there.
        probabilities: (N, K) what the model takes each class's presence for; None where it gives scores alone.
        calibrated: whether they are those of a calibration, or the paper's equation 2.
    """

    name: str
    sizes: tuple[Size, ...]
    scores: Float32Array | Float64Array
    points: Mapping[LocationMode, Float64Array]
    responses: Mapping[LocationMode, Float32Array]
    probabilities: Float32Array | None = None
    calibrated: bool = False


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table.

    Attributes:
        name: model and way to the point.
        measures: for each key of `MEASURES`, values and intervals per class and of their mean, as shares of 1;
            for a detector's row also for the `box_measure` of each overlap.
    """

    name: str
    measures: Mapping[str, BootstrapResult]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All rows over one data set.

    Attributes:
        dataset: its name.
        classes: the K classes.
        images: how many were measured.
        positives: images of each class.
        rows: the table.
        options: how it was measured.
        truths: how true the probabilities of each model are.
    """

    dataset: str
    classes: tuple[str, ...]
    images: int
    positives: tuple[int, ...]
    rows: tuple[Row, ...]
    options: EvaluationOptions
    calibration_reports: tuple[CalibrationReport, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON values; values are percentages, classes with nothing to measure null."""
        return {
            "schema_version": 1,
            "dataset": self.dataset,
            "images": self.images,
            "options": {**asdict(self.options), "box_iou": list(self.options.box_iou)},
            "positives": dict(zip(self.classes, self.positives, strict=True)),
            "rows": [
                {
                    "name": row.name,
                    **{key: measure_as_json(result, self.classes) for key, result in row.measures.items()},
                }
                for row in self.rows
            ],
            "calibration": [truth.as_json(self.classes) for truth in self.calibration_reports],
        }


def ground_truth_of(sample: Sample) -> GroundTruth:
    """A sample's boxes as the metrics read them.

    Raises:
        FreelocError: the sample carries no boxes.
    """
    if sample.boxes is None:
        raise FreelocError(f"{sample.path} has no boxes: evaluation needs an annotated data set")
    return GroundTruth.build(
        [(box.x1, box.y1, box.x2, box.y2) for box in sample.boxes],
        [box.label for box in sample.boxes],
        [box.difficult for box in sample.boxes],
        [box.crowd for box in sample.boxes],
    )


def check_evaluable(dataset: Dataset, models: Mapping[str, tuple[str, ...]]) -> None:
    """See, before any long work, that models can be measured on a data set.

    Args:
        dataset: the images.
        models: the classes of each model, by what the table calls it.

    Raises:
        FreelocError: there is no image, one has no boxes, or a model has other classes.
    """
    for name, classes in models.items():
        _check_classes(dataset, name, classes)
    for sample in dataset:
        ground_truth_of(sample)


def _check_classes(dataset: Dataset, name: str, classes: tuple[str, ...]) -> None:
    if not len(dataset):
        raise FreelocError(f"{dataset.name} has no images: nothing to measure")
    if classes != dataset.classes:
        raise FreelocError(
            f"model {name} knows the classes {', '.join(classes)} but {dataset.name} has "
            f"{', '.join(dataset.classes)}: evaluate on data with the model's classes in the same order"
        )


def collect(
    localizer: Localizer,
    dataset: Dataset,
    name: str,
    *,
    visit: Callable[[Sample, Localization], None] | None = None,
    quiet: bool = False,
) -> Predictions:
    """Run a model over a data set, once, and keep what every row needs.

    Args:
        localizer: the model.
        dataset: the images; labels and boxes are not looked at.
        name: what the table calls the model.
        visit: called with every sample and its fused result, to draw it, say.
        quiet: show no progress.

    Raises:
        FreelocError: model and data set have different classes, there is no image, or one cannot be read.
    """
    _check_classes(dataset, name, localizer.classes)
    sizes: list[Size] = []
    scores: list[Float32Array] = []
    probabilities: list[Float32Array] = []
    points: dict[LocationMode, list[Float64Array]] = {"fused": [], "paper": []}
    responses: dict[LocationMode, list[Float32Array]] = {"fused": [], "paper": []}
    maps = localizer.score_maps_many([sample.path for sample in dataset])
    looked_at = zip(dataset, maps, strict=True)
    for sample, scale_maps in track(looked_at, f"evaluating {name}", len(dataset), quiet=quiet):
        results: dict[LocationMode, Localization] = {
            mode: localizer.localize(scale_maps, mode=mode) for mode in points
        }
        for mode, result in results.items():
            points[mode].append(result.points)
            responses[mode].append(result.responses)
        sizes.append(results["fused"].image_size)
        scores.append(results["fused"].scores)
        probabilities.append(results["fused"].probabilities)
        if visit is not None:
            visit(sample, results["fused"])
    return Predictions(
        name,
        tuple(sizes),
        np.stack(scores),
        {mode: np.stack(values) for mode, values in points.items()},
        {mode: np.stack(values) for mode, values in responses.items()},
        np.stack(probabilities),
        localizer.decision.calibration is not None,
    )


def evaluate(
    predictions: Sequence[Predictions],
    dataset: Dataset,
    options: EvaluationOptions | None = None,
    *,
    detections: Mapping[str, Detections] | None = None,
) -> Evaluation:
    """Measure models, detectors, and the centre baseline on an annotated data set.

    Each model gives two rows, its points found the fused way and the paper's way. Each detector gives one: its
    surest box of a class is the class's score, the middle of that box its point (paper, section 6, R-CNN), and
    all its boxes are measured too. A class without a box ranks last and has no point. The centre baseline ranks
    by the first one's scores and points at the middle of the image.

    Args:
        predictions: what ``collect`` gave, the model in question first.
        dataset: the same images, with boxes.
        options: how to measure.
        detections: the boxes of detectors by what the table calls them; with them there may be no model.

    Raises:
        FreelocError: the data set has no boxes, there is nothing to measure, or an image whose size only
            its file tells cannot be read.
    """
    options, detections = options or EvaluationOptions(), detections or {}
    if not predictions and not detections:
        raise FreelocError("there is nothing to measure: give a model or --detections")
    objects = [ground_truth_of(sample) for sample in dataset]
    sizes = predictions[0].sizes if predictions else tuple(read_image_size(each.path) for each in dataset)
    rows = [
        measure_row(
            f"{item.name}, {mode}", item, item.points[mode], item.responses[mode], dataset, objects, options
        )
        for item in predictions
        for mode in item.points
    ]
    ranked = list(predictions)
    for name, found in detections.items():
        metrics = detector_metrics(found, sizes, dataset, objects, options)
        rows.append(_row(f"{name}, surest box", metrics, options))
        scores, _ = best_boxes(found, len(dataset), len(dataset.classes))
        ranked.append(Predictions(name, sizes, scores, {}, {}))
    centre = centre_points(sizes, len(dataset.classes))
    first = ranked[0]
    rows.append(measure_row("centre of the image", first, centre, first.scores, dataset, objects, options))
    positives = tuple(int(count) for count in (dataset.labels == PRESENT).sum(axis=0))
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
    return Evaluation(
        dataset.name,
        dataset.classes,
        len(dataset),
        positives,
        tuple(rows),
        options,
        tuple(calibration_reports),
    )


def measure_row(
    name: str,
    predictions: Predictions,
    points: Float64Array,
    responses: Float32Array | Float64Array,
    dataset: Dataset,
    objects: Sequence[GroundTruth],
    options: EvaluationOptions,
) -> Row:
    """Measure one way to the point, with intervals.

    Args:
        name: what the table calls the row.
        predictions: scores and sizes.
        points: (N, K, 2) image pixels.
        responses: (N, K) values of the map there; they rank the points where the options ask for it.
        dataset: the images.
        objects: the annotated objects of each, as `ground_truth_of` gives them.
        options: how to measure.
    """
    return _row(name, row_metrics(predictions, points, responses, dataset, objects, options), options)


def row_metrics(
    predictions: Predictions,
    points: Float64Array,
    responses: Float32Array | Float64Array,
    dataset: Dataset,
    objects: Sequence[GroundTruth],
    options: EvaluationOptions,
) -> dict[str, WeightedMetric]:
    """What a row is measured by, for each key of `MEASURES`; the arguments are those of `measure_row`.

    Two rows of the same images can be compared with `freeloc.metrics.paired_bootstrap`, key by key.
    """
    labels, sizes = dataset.labels, predictions.sizes
    location = location_ap(points, sizes, objects, labels, predictions.scores, responses, options.location)
    return {
        "classification": classification_ranking(predictions.scores, labels, options.flavour),
        "location": location.ranking,
        "pointing": pointing_game(points, sizes, objects, "all", options.pointing).tally,
        "pointing_difficult": pointing_game(points, sizes, objects, "difficult", options.pointing).tally,
    }


def detector_metrics(
    found: Detections,
    sizes: Sequence[Size],
    dataset: Dataset,
    objects: Sequence[GroundTruth],
    options: EvaluationOptions,
) -> dict[str, WeightedMetric]:
    """What a detector is measured by: every key of `MEASURES`, and the `box_measure` of each overlap.

    Args:
        found: its boxes; of every class and image the surest one is the score, and its middle the point.
        sizes: of the N images.
        dataset: the images.
        objects: the annotated objects of each, as `ground_truth_of` gives them.
        options: how to measure.
    """
    scores, points = best_boxes(found, len(dataset), len(dataset.classes))
    detector = Predictions("", tuple(sizes), scores, {}, {})
    metrics = row_metrics(detector, points, scores, dataset, objects, options)
    rankings = detection_rankings(found, objects, len(dataset.classes), options.box_iou, options.flavour)
    return metrics | {box_measure(ranking.iou): ranking for ranking in rankings}


def _row(name: str, metrics: Mapping[str, WeightedMetric], options: EvaluationOptions) -> Row:
    return Row(
        name,
        {
            key: bootstrap_intervals(metric, resamples=options.resamples, seed=options.seed)
            for key, metric in metrics.items()
        },
    )

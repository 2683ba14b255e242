"""Measuring a model on annotated photographs: rows of numbers, each with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc.datasets.sample import PRESENT, Dataset, Sample
from freeloc.errors import FreelocError
from freeloc.geometry import Float32Array, Float64Array, Size
from freeloc.localization import Localization, LocationMode, localize
from freeloc.localizer import Localizer
from freeloc.metrics import (
    APFlavour,
    BootstrapResult,
    Detections,
    LocationOptions,
    Objects,
    PhotographMetric,
    PointingOptions,
    bootstrap_intervals,
    centre_points,
    classification_ranking,
    detection_ranking,
    location_ap,
    pointing_game,
)
from freeloc.photographs import photograph_size
from freeloc.progress import track

__all__ = [
    "BOX_OVERLAPS",
    "MEASURES",
    "Evaluation",
    "EvaluationOptions",
    "Predictions",
    "Row",
    "box_measures",
    "check_annotated",
    "collect",
    "detected_predictions",
    "evaluate",
    "objects_of",
    "row_metrics",
]

MEASURES = {
    "classification": "classification AP",
    "location": "location AP",
    "pointing": "pointing game, all",
    "pointing_difficult": "pointing game, difficult",
}
"""What every row is measured by, and how tables call it."""

BOX_OVERLAPS = (0.5, 0.3, 0.1)
"""Intersection over union from which a box counts as found; the paper's three (section 6)."""


@dataclass(frozen=True)
class EvaluationOptions:
    """How predictions are measured; docs/metrics.md says why each default is what it is.

    Attributes:
        flavour: how a precision-recall curve becomes one number, for classification and location alike; that
            of ``location`` follows it.
        location: the choices section 6 of the paper leaves open.
        pointing: the choices of the pointing game.
        resamples: bootstrap resamples over photographs.
        seed: of the resamples.

    Raises:
        FreelocError: ``location`` asks for a flavour of its own.
    """

    flavour: APFlavour = "area"
    location: LocationOptions = field(default_factory=LocationOptions)
    pointing: PointingOptions = field(default_factory=PointingOptions)
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.location.flavour not in {self.flavour, LocationOptions().flavour}:
            raise FreelocError(
                f"the AP flavour is {self.flavour} but that of location is {self.location.flavour}: "
                "give one flavour for both"
            )
        object.__setattr__(self, "location", replace(self.location, flavour=self.flavour))


@dataclass(frozen=True, eq=False)
class Predictions:
    """What evaluation keeps of one model's view of N photographs.

    Attributes:
        name: what the table calls the model.
        sizes: N photograph sizes.
        scores: (N, K) classification scores.
        points: for each way to the point, (N, K, 2) photograph pixels.
        responses: for each way to the point, (N, K) values of the map there.
    """

    name: str
    sizes: tuple[Size, ...]
    scores: Float32Array
    points: Mapping[LocationMode, Float64Array]
    responses: Mapping[LocationMode, Float32Array]


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table.

    Attributes:
        name: model and way to the point.
        measures: for each key of `MEASURES`, values and intervals per class and of their mean, as shares of 1.
    """

    name: str
    measures: Mapping[str, BootstrapResult]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All rows over one data set.

    Attributes:
        dataset: its name.
        classes: the K classes.
        photographs: how many were measured.
        positives: photographs of each class.
        rows: the table.
        options: how it was measured.
        boxes: for each detector, box AP at each overlap of `BOX_OVERLAPS`.
    """

    dataset: str
    classes: tuple[str, ...]
    photographs: int
    positives: tuple[int, ...]
    rows: tuple[Row, ...]
    options: EvaluationOptions
    boxes: Mapping[str, Mapping[float, BootstrapResult]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON values; values are percentages, classes with nothing to measure null."""
        detectors = {
            name: {f"{iou:g}": self._measure(result) for iou, result in measured.items()}
            for name, measured in self.boxes.items()
        }
        return {
            "schema_version": 1,
            "dataset": self.dataset,
            "photographs": self.photographs,
            "options": asdict(self.options),
            "positives": dict(zip(self.classes, self.positives, strict=True)),
            "rows": [
                {
                    "name": row.name,
                    **{key: self._measure(result) for key, result in row.measures.items()},
                }
                for row in self.rows
            ],
            **({"box_ap": detectors} if detectors else {}),
        }

    def _measure(self, result: BootstrapResult) -> dict[str, Any]:
        def percent(value: float) -> float | None:
            return None if math.isnan(value) else round(100 * value, 3)

        def interval(of: Any) -> dict[str, float | None]:
            return {"value": percent(of.estimate), "low": percent(of.low), "high": percent(of.high)}

        classes = zip(self.classes, result.classes, strict=True)
        return {"mean": interval(result.mean), "classes": {name: interval(value) for name, value in classes}}


def objects_of(sample: Sample) -> Objects:
    """A sample's boxes as the metrics read them.

    Raises:
        FreelocError: the sample carries no boxes.
    """
    if sample.boxes is None:
        raise FreelocError(f"{sample.path} has no boxes: evaluation needs an annotated data set")
    return Objects.build(
        [(box.x1, box.y1, box.x2, box.y2) for box in sample.boxes],
        [box.label for box in sample.boxes],
        [box.difficult for box in sample.boxes],
        [box.crowd for box in sample.boxes],
    )


def check_annotated(dataset: Dataset, models: Mapping[str, tuple[str, ...]]) -> None:
    """See, before any long work, that models can be measured on a data set.

    Args:
        dataset: the photographs.
        models: the classes of each model, by what the table calls it.

    Raises:
        FreelocError: there is no photograph, one has no boxes, or a model has other classes.
    """
    for name, classes in models.items():
        _check_classes(dataset, name, classes)
    for sample in dataset:
        objects_of(sample)


def _check_classes(dataset: Dataset, name: str, classes: tuple[str, ...]) -> None:
    if not len(dataset):
        raise FreelocError(f"{dataset.name} has no photographs: nothing to measure")
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
        dataset: the photographs; labels and boxes are not looked at.
        name: what the table calls the model.
        visit: called with every sample and its fused result, to draw it, say.
        quiet: show no progress.

    Raises:
        FreelocError: model and data set have different classes, there is no photograph, or one cannot be read.
    """
    _check_classes(dataset, name, localizer.classes)
    sizes: list[Size] = []
    scores: list[Float32Array] = []
    points: dict[LocationMode, list[Float64Array]] = {"fused": [], "paper": []}
    responses: dict[LocationMode, list[Float32Array]] = {"fused": [], "paper": []}
    maps = localizer.score_maps_many([sample.path for sample in dataset])
    looked_at = zip(dataset, maps, strict=True)
    for sample, scale_maps in track(looked_at, f"evaluating {name}", len(dataset), quiet=quiet):
        results: dict[LocationMode, Localization] = {
            mode: localize(scale_maps, localizer.classes, mode=mode, pooling=localizer.pooling)
            for mode in points
        }
        for mode, result in results.items():
            points[mode].append(result.points)
            responses[mode].append(result.responses)
        sizes.append(results["fused"].photo)
        scores.append(results["fused"].scores)
        if visit is not None:
            visit(sample, results["fused"])
    return Predictions(
        name,
        tuple(sizes),
        np.stack(scores),
        {mode: np.stack(values) for mode, values in points.items()},
        {mode: np.stack(values) for mode, values in responses.items()},
    )


def evaluate(
    predictions: Sequence[Predictions],
    dataset: Dataset,
    options: EvaluationOptions | None = None,
    *,
    detections: Mapping[str, Detections] | None = None,
) -> Evaluation:
    """Measure one or more models or detectors, and the centre baseline, on an annotated data set.

    Each model gives two rows, its points found the fused way and the paper's way. A detector gives one: the centre
    of its surest box of each class, ranked by that box's score (paper, section 6, "Comparison with R-CNN
    baseline"). The centre baseline ranks by the first one's scores and points at the middle of the photograph.

    Args:
        predictions: what ``collect`` gave, the model in question first.
        dataset: the same photographs, with boxes.
        options: how to measure.
        detections: of each detector in the same photographs, by its name.

    Raises:
        FreelocError: the data set has no boxes, or there is nothing to measure.
    """
    options = options or EvaluationOptions()
    detections = detections or {}
    if not predictions and not detections:
        raise FreelocError("there is nothing to measure: give a model, or --detections")
    objects = [objects_of(sample) for sample in dataset]
    detected = [detected_predictions(name, found, dataset) for name, found in detections.items()]
    first = [*predictions, *detected][0]
    rows = [
        _row(f"{item.name}, {mode}", item, item.points[mode], item.responses[mode], dataset, objects, options)
        for item in predictions
        for mode in item.points
    ]
    rows += [
        _row(f"{item.name}, box centre", item, item.points["paper"], item.scores, dataset, objects, options)
        for item in detected
    ]
    centre = centre_points(first.sizes, len(dataset.classes))
    rows.append(_row("centre of the photograph", first, centre, first.scores, dataset, objects, options))
    positives = tuple(int(count) for count in (dataset.labels == PRESENT).sum(axis=0))
    boxes = {name: box_measures(found, dataset, objects, options) for name, found in detections.items()}
    return Evaluation(dataset.name, dataset.classes, len(dataset), positives, tuple(rows), options, boxes)


def detected_predictions(name: str, detections: Detections, dataset: Dataset) -> Predictions:
    """What a detector says of every photograph and class: its surest box's score, and that box's centre.

    Args:
        name: what the table calls it.
        detections: in N photographs.
        dataset: the N photographs.
    """
    sizes = tuple(photograph_size(sample.path) for sample in dataset)
    scores, centres = detections.surest(len(dataset), len(dataset.classes))
    kept = scores.astype(np.float32)
    return Predictions(name, sizes, kept, {"paper": centres}, {"paper": kept})


def box_measures(
    detections: Detections, dataset: Dataset, objects: Sequence[Objects], options: EvaluationOptions
) -> dict[float, BootstrapResult]:
    """Box AP of a detector at each overlap of `BOX_OVERLAPS`, with intervals."""
    measured = {}
    for iou in BOX_OVERLAPS:
        ranking = detection_ranking(detections, objects, len(dataset.classes), iou, options.flavour)
        measured[iou] = bootstrap_intervals(ranking, resamples=options.resamples, seed=options.seed)
    return measured


def _row(
    name: str,
    item: Predictions,
    points: Float64Array,
    responses: npt.NDArray[np.float32],
    dataset: Dataset,
    objects: Sequence[Objects],
    options: EvaluationOptions,
) -> Row:
    measured = row_metrics(item, points, responses, dataset, objects, options)
    return Row(
        name,
        {
            key: bootstrap_intervals(metric, resamples=options.resamples, seed=options.seed)
            for key, metric in measured.items()
        },
    )


def row_metrics(
    item: Predictions,
    points: Float64Array,
    responses: npt.NDArray[np.float32],
    dataset: Dataset,
    objects: Sequence[Objects],
    options: EvaluationOptions,
) -> dict[str, PhotographMetric]:
    """What a row's numbers are made of: for intervals, and for tests against other rows.

    Args:
        item: sizes and scores of N photographs.
        points: (N, K, 2) where each class is, in photograph pixels.
        responses: (N, K) values of the maps there.
        dataset: the N photographs.
        objects: their boxes.
        options: how to measure.

    Returns:
        For each key of `MEASURES`, the metric.
    """
    labels, sizes = dataset.labels, item.sizes
    located = location_ap(points, sizes, objects, labels, item.scores, responses, options.location)
    return {
        "classification": classification_ranking(item.scores, labels, options.flavour),
        "location": located.ranking,
        "pointing": pointing_game(points, sizes, objects, "all", options.pointing).tally,
        "pointing_difficult": pointing_game(points, sizes, objects, "difficult", options.pointing).tally,
    }

"""Predictions of one model for a whole dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np

from freeloc._literals import LocationMode, PointKind
from freeloc._typing import Float32Array, Float64Array
from freeloc._validation import check_arguments
from freeloc.datasets.dataset import Dataset, Sample
from freeloc.evaluation.annotations import check_classes
from freeloc.geometry.size import Size
from freeloc.inference.boxes import MIN_PROBABILITY
from freeloc.inference.fusion import locate, pooled_scores
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.progress import track

__all__ = ["Predictions", "collect"]


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """Predictions of one model for N images, without maps.

    Attributes:
        name: model name shown in tables.
        sizes: N image sizes.
        scores: (N, K) float32 or float64 classification scores.
        points: (N, K, 2) points in image coordinates, by location mode.
        responses: (N, K) values of the map at the points, by location mode.
        probabilities: (N, K) probabilities that each class is present; None if the model has only scores.
        calibrated: True if the probabilities come from a calibration, False if they come from the paper's
            equation 2.
        thresholds: (K,) minimum probabilities at which the classes count as present; None without probabilities.
        point: which place of an object its point is, in mode "fused".
    """

    name: str
    sizes: tuple[Size, ...]
    scores: Float32Array | Float64Array
    points: Mapping[LocationMode, Float64Array]
    responses: Mapping[LocationMode, Float32Array]
    probabilities: Float32Array | None = None
    calibrated: bool = False
    thresholds: Float64Array | None = None
    point: PointKind = "salient"

    def __repr__(self) -> str:
        return f"Predictions({self.name!r}, {len(self.sizes)} images, {self.scores.shape[1]} classes)"


@check_arguments
def collect(
    localizer: Localizer,
    dataset: Dataset,
    name: str,
    *,
    visit: Callable[[Sample, Localization], None] | None = None,
    quiet: bool = False,
) -> Predictions:
    """Run a model once over a dataset and collect its predictions in both location modes.

    Classes that only the model has are left out, so all arrays have the classes of the dataset.

    Args:
        localizer: the model.
        dataset: the images; labels and boxes are not read.
        name: model name shown in tables.
        visit: function called with every sample and its result in mode "fused", for example to draw an
            overlay.
        quiet: whether to hide progress.

    Raises:
        DatasetError: the dataset has a class that the model does not have, or there are no images.
        ImageError: an image cannot be read.
    """
    check_classes(dataset, name, localizer.classes)
    modes: tuple[LocationMode, ...] = get_args(LocationMode)
    sizes: list[Size] = []
    # Allocated once: small arrays kept between large temporary ones would fragment memory.
    labels = [localizer.classes.index(item) for item in dataset.classes]
    shape = len(dataset), len(localizer.classes)
    scores = np.empty(shape, np.float32)
    points: dict[LocationMode, Float64Array] = {mode: np.empty((*shape, 2)) for mode in modes}
    responses: dict[LocationMode, Float32Array] = {mode: np.empty(shape, np.float32) for mode in modes}
    maps = localizer.score_maps_many([sample.image for sample in dataset])
    pairs = track(zip(dataset, maps, strict=True), f"evaluating {name}", len(dataset), quiet=quiet)
    for index, (sample, scale_maps) in enumerate(pairs):
        scores[index] = pooled_scores(scale_maps, localizer.pooling)
        likely = np.flatnonzero(localizer.decision.probabilities(scores[index]) >= MIN_PROBABILITY)
        for mode in modes:
            points[mode][index], responses[mode][index] = locate(
                scale_maps, mode, localizer.options.point, likely
            )
        sizes.append(scale_maps[0].grid.image_size)
        if visit is not None:
            visit(sample, localizer.localize(scale_maps, mode="fused"))
    probabilities = np.stack([localizer.decision.probabilities(score) for score in scores])
    return Predictions(
        name,
        tuple(sizes),
        scores[:, labels],
        {mode: points[mode][:, labels] for mode in modes},
        {mode: responses[mode][:, labels] for mode in modes},
        probabilities[:, labels],
        localizer.decision.calibration is not None,
        localizer.decision.thresholds(shape[1])[labels],
        localizer.options.point,
    )

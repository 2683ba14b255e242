"""Fit a model's box threshold to the tags of its training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.datasets.dataset import Dataset
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import locate
from freeloc.inference.score_map import ScoreMap
from freeloc.io.progress import track
from freeloc.models.header import DEFAULT_BOX_THRESHOLD
from freeloc.training.device import to_device
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep

__all__ = ["box_threshold_from_tags", "fit_box_threshold"]

_MAX_IMAGES = 500
"""Maximum number of images used; they are evenly spaced in the dataset. This is enough, because the threshold is a
median over classes."""

_MIN_THRESHOLD, _MAX_THRESHOLD = 0.2, 0.4
"""Limits of a fitted threshold. With a lower threshold, boxes would cover the whole image; with a higher one, they
would shrink to points."""


def fit_box_threshold(
    step: HeadTrainStep,
    features: FeatureSource[Cells],
    dataset: Dataset,
    sizes: Sequence[Size],
    layout: CellLayout,
    recipe: Recipe,
    *,
    quiet: bool = True,
) -> float:
    """Fit the box threshold of a trained head with `box_threshold_from_tags`; annotated boxes are not read.

    Maps are computed at the training scales, because the features at these scales are already available. The
    threshold is a fraction of a map's maximum, so it depends little on the choice of scales.

    Args:
        step: the trained head.
        features: features of the images, computed with the trained weights.
        dataset: the images and their tags.
        sizes: sizes of the images.
        layout: the backbone's layout of cells.
        recipe: sets the scales, and how canvases are made.
        quiet: whether to hide progress.
    """
    pyramid = recipe.pyramid
    chosen = dataset.evenly_spaced(_MAX_IMAGES)
    responses = []
    for index in track(chosen, "fitting the box threshold", len(chosen), quiet=quiet):
        grids = pyramid.grids(sizes[index], layout)
        maps = [_score_map(step, features, index, grid) for grid in grids]
        responses.append(locate(maps).responses)
    return box_threshold_from_tags(np.stack(responses), dataset.labels[chosen])


def box_threshold_from_tags(
    responses: Float32Array | Float64Array, labels: npt.NDArray[np.integer], fraction: float = 0.005
) -> float:
    """Return a box threshold derived from tags.

    A map value is evidence for a class if maps of images without the class rarely reach that value. The threshold
    of a class is therefore the value that the map reaches in 1 of 200 images without the class, divided by the
    median of the map's maximum over the images with the class. The function returns the median of these thresholds
    over all classes, because separate thresholds per class performed no better in measurements.

    Args:
        responses: (N, K) maxima of the fused maps.
        labels: (N, K) +1 present, −1 absent, 0 ignored.
        fraction: fraction of the images without the class in which the map reaches the threshold.

    Returns:
        The threshold as a fraction of a map's maximum, clipped to [0.2, 0.4]; `DEFAULT_BOX_THRESHOLD` if no
        class has both positive and negative images.
    """
    thresholds = []
    for responses_of_class, tags in zip(np.asarray(responses).T, np.asarray(labels).T, strict=True):
        present, absent = responses_of_class[tags > 0], responses_of_class[tags < 0]
        if len(present) and len(absent):
            thresholds.append(np.quantile(absent, 1 - fraction) / np.median(present))
    if not thresholds:
        return DEFAULT_BOX_THRESHOLD
    return float(np.clip(np.median(thresholds), _MIN_THRESHOLD, _MAX_THRESHOLD))


def _score_map(step: HeadTrainStep, features: FeatureSource[Cells], index: int, grid: Grid) -> ScoreMap:
    cells = to_device(features.get(index, grid.scale), step.device)
    return ScoreMap.of_cells(step.score_cells(cells).cpu().numpy(), grid)

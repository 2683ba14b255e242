"""At which level a model's boxes are drawn: what the training images and their tags tell of it."""

from __future__ import annotations

import numpy as np

from freeloc.datasets.dataset import Dataset
from freeloc.features.extract import FeatureSource
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.decode import read_image_size
from freeloc.inference.boxes import box_threshold_from_tags
from freeloc.inference.fusion import locate
from freeloc.inference.score_map import ScoreMap
from freeloc.training.device import to_device
from freeloc.training.recipe import Recipe
from freeloc.training.step import TrainStep

__all__ = ["fit_box_threshold"]

_ASKED = 500
"""Images that are looked at, evenly over the data set: of 20 classes the middle one then says enough."""


def fit_box_threshold(
    learner: TrainStep, cells: FeatureSource, dataset: Dataset, layout: CellLayout, recipe: Recipe
) -> float:
    """The level of a trained head, see `freeloc.inference.boxes.box_threshold_from_tags`; boxes are not looked at.

    The images are seen at the scales of training, whose features are at hand: a level is a share of the
    highest value, which scales hardly move.

    Args:
        learner: the trained head, and what it reads features through.
        cells: features of the images, as they are once training is done.
        dataset: the images and their tags.
        layout: how the backbone lays its cells.
        recipe: scales and padding.
    """
    pyramid = Pyramid(recipe.scales, recipe.padding)
    chosen = dataset.spread(_ASKED)
    peaks = []
    for index in chosen:
        image = read_image_size(dataset.samples[index].path)
        maps = [_map(learner, cells, index, grid) for grid in pyramid.grids(image, layout)]
        peaks.append(locate(maps).responses)
    return box_threshold_from_tags(np.stack(peaks), dataset.labels[chosen])


def _map(learner: TrainStep, cells: FeatureSource, index: int, grid: Grid) -> ScoreMap:
    features = to_device(cells.cells(index, grid.scale), learner.device)
    scores = learner.search(features).cpu().numpy().T
    return ScoreMap.of(np.ascontiguousarray(scores).reshape(-1, grid.valid_rows, grid.valid_cols), grid)

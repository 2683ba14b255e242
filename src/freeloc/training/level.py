"""At which level a model's boxes are drawn: what the training photographs and their tags tell of it."""

from __future__ import annotations

import numpy as np

from freeloc.datasets.sample import Dataset
from freeloc.extents import level_from_tags
from freeloc.features import FeatureSource
from freeloc.geometry import CellLayout, Grid, Pyramid
from freeloc.localization import ScaleMap, pinpoint
from freeloc.photographs import photograph_size
from freeloc.training.device import to_device
from freeloc.training.recipe import Recipe
from freeloc.training.steps import Learner

__all__ = ["extent_level"]

_ASKED = 500
"""Photographs that are looked at, evenly over the data set: of 20 classes the middle one then says enough."""


def extent_level(
    learner: Learner, cells: FeatureSource, dataset: Dataset, layout: CellLayout, recipe: Recipe
) -> float:
    """The level of a trained head, see `freeloc.extents.level_from_tags`; boxes are not looked at.

    The photographs are seen at the scales of training, whose features are at hand: a level is a share of the
    highest value, which scales hardly move.

    Args:
        learner: the trained head, and what it reads features through.
        cells: features of the photographs, as they are once training is done.
        dataset: the photographs and their tags.
        layout: how the trunk lays its cells.
        recipe: scales and padding.
    """
    pyramid = Pyramid(recipe.scales, recipe.padding)
    chosen = dataset.spread(_ASKED)
    peaks = []
    for index in chosen:
        photo = photograph_size(dataset.samples[index].path)
        maps = [_map(learner, cells, index, grid) for grid in pyramid.grids(photo, layout)]
        _, _, responses = pinpoint(maps)
        peaks.append(responses)
    return level_from_tags(np.stack(peaks), dataset.labels[chosen])


def _map(learner: Learner, cells: FeatureSource, index: int, grid: Grid) -> ScaleMap:
    features = to_device(cells.cells(index, grid.scale), learner.device)
    scores = learner.search(features).cpu().numpy().T
    return ScaleMap.of(np.ascontiguousarray(scores).reshape(-1, grid.valid_rows, grid.valid_cols), grid)

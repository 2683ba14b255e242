"""How the score map of a class grows over training: the paper's Figures 1 and 4.

Images are chosen by rule: those that the trained network locates most surely, each of another class. Beside
the winning window of the class that is there stands that of the class which the untrained network is most wrong
about: training raises the one and lowers the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeloc.datasets.dataset import ABSENT, Dataset
from freeloc.features.sources import CachedFeatures
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image
from freeloc.inference.cached_score_maps import score_maps_from_features
from freeloc.inference.score_map import ScoreMap
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.paper.figures.catalog import EvolutionRow, Frame
from freeloc.runtime import Precision

__all__ = ["WATCHED_SCALE", "growth_rows", "watched_iterations"]

WATCHED_SCALE = 1.0
"""The scale whose map is drawn."""

_WINDOW = 224
"""Side of a window in canvas pixels, for backbones that state none: what they were trained on as a whole image."""


def watched_iterations(total: int) -> tuple[int, ...]:
    """At which of a run's iterations its model is kept: the first, the last, and three between, soon and late."""
    return tuple(sorted({0, total // 50, total // 10, total // 3, total}))


def growth_rows(
    files: Sequence[tuple[int, Path]],
    chosen: Sequence[tuple[int, int]],
    dataset: Dataset,
    backbone: Backbone,
    features: CachedFeatures,
    sizes: Sequence[Size],
    *,
    precision: Precision = "auto",
) -> list[EvolutionRow]:
    """What the figure draws.

    Args:
        files: iterations and the models kept then, in order.
        chosen: images and the class of each that is watched, as positions in the data set.
        dataset: the images.
        backbone: as it was before training.
        features: of the images, `WATCHED_SCALE` among their scales.
        sizes: of all the images.
        precision: arithmetic of the head.
    """
    watched = [index for index, _ in chosen]
    some = CachedFeatures(
        features.cache, tuple(features.content_hashes[index] for index in watched), features.scales
    )
    own = [sizes[index] for index in watched]
    moments: list[list[ScoreMap]] = []
    for _, file in files:
        looked = score_maps_from_features(
            Model.load(file), backbone, some, own, (WATCHED_SCALE,), precision=precision
        )
        moments.append([maps[WATCHED_SCALE] for maps in looked])
    rows = []
    for place, (index, label) in enumerate(chosen):
        absent = dataset.labels[index] == ABSENT
        losing = _losing(moments[0][place], absent)
        frames = [
            _frame(iteration, maps[place], label, losing)
            for (iteration, _), maps in zip(files, moments, strict=True)
        ]
        pixels = load_image(dataset.samples[index].path)
        name = None if losing is None else dataset.classes[losing]
        rows.append(EvolutionRow(pixels, dataset.classes[label], frames, name))
    return rows


def _losing(first: ScoreMap, absent: np.ndarray) -> int | None:
    """The absent class with the highest score at the beginning."""
    return int(np.where(absent, first.peaks, -np.inf).argmax()) if absent.any() else None


def _frame(iteration: int, scale_map: ScoreMap, label: int, losing: int | None) -> Frame:
    return Frame(
        iteration,
        scale_map.values[label],
        _window(scale_map, label),
        None if losing is None else _window(scale_map, losing),
        float(scale_map.peaks[label]),
    )


def _window(scale_map: ScoreMap, label: int) -> tuple[float, float, float, float]:
    """The window of the best cell, in image pixels."""
    values, grid = scale_map.values[label], scale_map.grid
    x, y = grid.to_image(np.unravel_index(values.argmax(), values.shape))
    half = (
        (grid.layout.window or _WINDOW)
        * grid.image_size.longest
        / (2 * max(grid.content.width, grid.content.height))
    )
    return (
        max(0.0, float(x) - half),
        max(0.0, float(y) - half),
        min(float(grid.image_size.width), float(x) + half),
        min(float(grid.image_size.height), float(y) + half),
    )

"""Score maps during training: the paper's Figures 1 and 4.

The images are chosen by a fixed rule: those with the trained model's highest-scoring correct locations, at most
one per class. For each image, the figure shows two windows: the highest-scoring window of that class, and the
highest-scoring window of the absent class whose score was highest before training. Training raises the score of
the first window and lowers the score of the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeloc._typing import BoolArray
from freeloc.datasets.dataset import ABSENT, Dataset
from freeloc.images.decode import load_image
from freeloc.inference.score_map import ScoreMap
from freeloc.models.model import Model
from freeloc.paper.figures.image_axes import BoxTuple
from freeloc.paper.figures.map_evolution import EvolutionRow, Frame
from freeloc.paper.map_reader import MapReader

__all__ = ["EVOLUTION_SCALE", "evolution_rows", "snapshot_iterations"]

EVOLUTION_SCALE = 1.0
"""Scale of the maps."""

_WINDOW = 224
"""Side of a window, in canvas pixels, for backbones that do not specify it; equal to the side of the images on
which these backbones were trained."""


def snapshot_iterations(total: int) -> tuple[int, ...]:
    """Return the iterations at which the model is saved: the first, the last, and three in between."""
    return tuple(sorted({0, total // 50, total // 10, total // 3, total}))


def evolution_rows(
    snapshots: Sequence[tuple[int, Path]],
    pairs: Sequence[tuple[int, int]],
    dataset: Dataset,
    reader: MapReader,
) -> list[EvolutionRow]:
    """Compute the rows of the figure that shows score maps during training.

    Args:
        snapshots: iterations in order, each with the file of the model saved at that iteration.
        pairs: one pair (image index, class index) per row.
        dataset: the images.
        reader: reader of the maps of all images; its scales must include `EVOLUTION_SCALE`.
    """
    chosen = reader.subset([image for image, _ in pairs])
    maps = [
        [by_scale[EVOLUTION_SCALE] for by_scale in chosen.maps(Model.load(file), (EVOLUTION_SCALE,))]
        for _, file in snapshots
    ]
    rows = []
    for position, (image, label) in enumerate(pairs):
        absent = _highest_absent(maps[0][position], dataset.labels[image] == ABSENT)
        frames = [
            _frame(iteration, scale_maps[position], label, absent)
            for (iteration, _), scale_maps in zip(snapshots, maps, strict=True)
        ]
        pixels = load_image(dataset.samples[image].path)
        name = None if absent is None else dataset.classes[absent]
        rows.append(EvolutionRow(pixels, dataset.classes[label], frames, name))
    return rows


def _highest_absent(first: ScoreMap, absent: BoolArray) -> int | None:
    """Return the absent class with the highest score in the first snapshot; None if no class is absent."""
    return int(np.where(absent, first.maxima, -np.inf).argmax()) if absent.any() else None


def _frame(iteration: int, scale_map: ScoreMap, label: int, absent: int | None) -> Frame:
    return Frame(
        iteration,
        scale_map.values[label],
        _window(scale_map, label),
        None if absent is None else _window(scale_map, absent),
        float(scale_map.maxima[label]),
    )


def _window(scale_map: ScoreMap, label: int) -> BoxTuple:
    """Return the window of a class's highest-scoring cell, in image coordinates and clipped to the image."""
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

"""Score maps during training: the paper's Figures 1 and 4.

Figure 1 shows one class in several images. Figure 4 shows, for each image, two windows: the highest-scoring window
of a class in the image, and the highest-scoring window of the absent class whose score was highest at first.
Training raises the score of the first window and lowers the score of the second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.inference.score_map import ScoreMap, fusion_lattice
from freeloc.paper.figures.image_axes import BoxTuple
from freeloc.paper.figures.map_evolution import Frame

__all__ = [
    "EVOLUTION_SCALE",
    "MAX_FRAMES",
    "frames_of",
    "highest_absent",
    "select_by_change",
    "snapshot_iterations",
]

EVOLUTION_SCALE = 1.0
"""Scale of the maps."""

MAX_FRAMES = 5
"""Maximum number of snapshots that a figure shows, unless they are chosen."""

_SNAPSHOTS = 10
"""Maximum number of snapshots of a study, apart from that before the first iteration."""

_FIRST = 200
"""The first snapshot after the start is written after one of this many parts of the training."""

_WINDOW = 224
"""Side of a window, in canvas pixels, for backbones that do not specify it; equal to the side of the images on
which these backbones were trained."""


def snapshot_iterations(total: int) -> tuple[int, ...]:
    """Return the iterations at which a study saves its model: dense at the beginning, where maps change most.

    These are 0, the last one, and others whose ratios are constant; `select_by_change` then chooses among them.
    """
    start = max(1, total // _FIRST)
    ratios = np.geomspace(start, total, _SNAPSHOTS) if total > 0 else np.zeros(1)
    return tuple(sorted({0, *(math.floor(ratio + 0.5) for ratio in ratios.tolist())}))


def select_by_change(maps: Sequence[Sequence[Float32Array]], count: int) -> list[int]:
    """Choose snapshots between which score maps change by about the same amount, so that every step shows.

    The change of a map is its largest absolute difference in any cell, so that many small differences, as between
    random weights, do not outweigh an object that is found; it is averaged over the maps. Scores below 0 count as
    0, because figures do not color them, unless all are below 0.

    Args:
        maps: for each snapshot, the score maps that the figure shows, with equal shapes in all snapshots.
        count: number of snapshots to choose, at least 2.

    Returns:
        Indices of the chosen snapshots, with the first and the last one; all of them if there are no more.
    """
    if len(maps) <= count:
        return list(range(len(maps)))
    change = np.zeros(len(maps))
    hidden = 0.0 if any((values > 0).any() for shown in maps for values in shown) else -np.inf
    for series in zip(*maps, strict=True):  # one map, in all snapshots
        visible = np.maximum(np.stack([values.ravel() for values in series]).astype(np.float64), hidden)
        change[1:] += np.abs(np.diff(visible, axis=0)).max(axis=1).cumsum()
    chosen = [0]
    for place in range(1, count - 1):
        left = count - 1 - place
        candidates = np.arange(chosen[-1] + 1, len(maps) - left)
        distance = np.abs(change[candidates] - change[-1] * place / (count - 1))
        chosen.append(int(candidates[distance.argmin()]))
    return [*chosen, len(maps) - 1]


def highest_absent(scores: Float32Array, absent: npt.NDArray[np.bool_]) -> int | None:
    """Return the absent class with the highest of (K,) scores; None if no class is absent."""
    return int(np.where(absent, scores, -np.inf).argmax()) if absent.any() else None


def frames_of(
    iterations: Sequence[int], maps: Sequence[ScoreMap], label: int, absent: int | None = None
) -> list[Frame]:
    """Return the frames of one image.

    Args:
        iterations: the iterations of the snapshots.
        maps: the image's score map in each snapshot.
        label: index of the class whose map is shown.
        absent: index of the absent class whose window is shown, if any.
    """
    return [
        Frame(
            iteration,
            _on_image(scale_map, label),
            _window(scale_map, label),
            None if absent is None else _window(scale_map, absent),
            float(scale_map.values[label].max()),
        )
        for iteration, scale_map in zip(iterations, maps, strict=True)
    ]


def _on_image(scale_map: ScoreMap, label: int) -> Float32Array:
    """Return the scores of a class at evenly spaced positions on the image, without the cells of the padding."""
    rows, cols = scale_map.grid.sampling_weights(fusion_lattice(scale_map.grid.image_size))
    sampled: Float32Array = rows @ scale_map.values[label] @ cols.T
    return sampled.astype(np.float32)


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

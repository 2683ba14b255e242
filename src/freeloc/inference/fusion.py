"""From score maps of all scales to scores and points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeloc._typing import Float32Array, Float64Array
from freeloc.geometry.lattice import Lattice
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import LATTICE_STEP, ScoreMap, align_sigmoid, fusion_lattice
from freeloc.models.calibration import Calibration
from freeloc.models.header import DEFAULT_BOX_THRESHOLD
from freeloc.nn.pooling.max import MaxPooling
from freeloc.nn.pooling.registry import get_pooling

__all__ = ["localize", "locate_points", "pooled_scores"]


def localize(
    scale_maps: Sequence[ScoreMap],
    classes: tuple[str, ...],
    *,
    mode: LocationMode = "fused",
    pooling: str = "max",
    step: float = LATTICE_STEP,
    path: Path | None = None,
    calibration: Calibration | None = None,
    threshold: float = 0.5,
    box_threshold: float = DEFAULT_BOX_THRESHOLD,
) -> Localization:
    """Turn the raw maps of all scales into scores and locations.

    The classification score is the same for both modes: the mean over scales of each scale's pooled map, its
    maximum in the paper (section 4). The point is found in one of two ways:

    * "paper": the arg-max over all scales and positions of the raw scores (section 6);
    * "fused": the maps are aligned in the image's frame by bilinear sampling, averaged after the
      logistic of `FUSION_GAIN` times the score, and the arg-max of the average is taken.

    Args:
        scale_maps: the maps of one image, one per scale.
        classes: the K class names.
        mode: the way to the point.
        pooling: how a scale's map becomes its score, see `freeloc.nn.pooling.registry.POOLINGS`.
        step: raster of the aligned maps, in pixels of the 500-normalised image.
        path: kept in the result.
        calibration: likewise: the model's.
        threshold: likewise.
        box_threshold: likewise.
    """
    image_size = scale_maps[0].grid.image_size
    lattice = Lattice.over(image_size, step)
    scores = pooled_scores(scale_maps, pooling)
    if mode == "fused":
        maps = _fuse(scale_maps, lattice)
        points, responses = _fused_points(maps, lattice)
    else:
        maps = _highest(scale_maps, lattice)
        points, responses = _paper_points(scale_maps)
    return Localization(
        image_size,
        classes,
        scores,
        points,
        responses,
        maps,
        lattice,
        mode,
        path,
        calibration,
        threshold,
        box_threshold,
    )


def locate_points(
    scale_maps: Sequence[ScoreMap], *, mode: LocationMode = "fused", pooling: str = "max"
) -> tuple[Float32Array, Float64Array, Float32Array]:
    """Scores, points and responses as `localize` gives them, without a map of all scales where none is needed.

    The arguments are those of `localize`.
    """
    scores = pooled_scores(scale_maps, pooling)
    if mode == "paper":
        return scores, *_paper_points(scale_maps)
    lattice = fusion_lattice(scale_maps[0].grid.image_size)
    return scores, *_fused_points(_fuse(scale_maps, lattice), lattice)


def pooled_scores(scale_maps: Sequence[ScoreMap], pooling: str = "max") -> Float32Array:
    """(K,) raw scores: the mean over scales of each scale's pooled map (paper, section 4: its maximum)."""
    pool = get_pooling(pooling)
    # The compiled network computes the maxima itself.
    computed = isinstance(pool, MaxPooling)
    pooled = [part.peaks if computed else pool.pool_maps(part.values) for part in scale_maps]
    scores: Float32Array = np.stack(pooled).mean(axis=0, dtype=np.float64).astype(np.float32)
    return scores


def _fuse(scale_maps: Sequence[ScoreMap], lattice: Lattice) -> Float32Array:
    total = np.zeros((len(scale_maps[0].values), lattice.rows, lattice.cols), np.float32)
    for scale_map in scale_maps:
        made = scale_map.aligned if lattice == fusion_lattice(lattice.image_size) else None
        total += align_sigmoid(scale_map.values, scale_map.grid, lattice) if made is None else made
    return total / np.float32(len(scale_maps))


def _highest(scale_maps: Sequence[ScoreMap], lattice: Lattice) -> Float32Array:
    highest: Float32Array | None = None
    for scale_map in scale_maps:
        rows, cols = scale_map.grid.sampling(lattice)
        aligned = np.matmul(rows @ scale_map.values, cols.T, dtype=np.float32)
        highest = aligned if highest is None else np.maximum(highest, aligned)
    if highest is None:
        raise ValueError("no scale maps to combine")
    return highest


def _fused_points(maps: Float32Array, lattice: Lattice) -> tuple[Float64Array, Float32Array]:
    flat = maps.reshape(len(maps), -1)
    # Beyond the outermost cells a map is flat: of equals, the one nearest those cells, not the corner, is meant.
    tied = flat == flat.max(axis=1, keepdims=True)
    best = np.where(tied, lattice.from_middle.ravel(), np.inf).argmin(axis=1)
    cells = np.stack(np.unravel_index(best, maps.shape[1:]), axis=-1)
    return lattice.to_image(cells), flat[np.arange(len(flat)), best]


def _paper_points(scale_maps: Sequence[ScoreMap]) -> tuple[Float64Array, Float32Array]:
    peaks = np.stack([scale_map.peaks for scale_map in scale_maps])
    winners = peaks.argmax(axis=0)
    points = np.empty((peaks.shape[1], 2))
    for position, scale_map in enumerate(scale_maps):
        chosen = np.flatnonzero(winners == position)
        if len(chosen):
            values = scale_map.values[chosen]
            best = values.reshape(len(chosen), -1).argmax(axis=1)
            cells = np.stack(np.unravel_index(best, values.shape[1:]), axis=-1)
            points[chosen] = scale_map.grid.to_image(cells)
    return points, peaks.max(axis=0)

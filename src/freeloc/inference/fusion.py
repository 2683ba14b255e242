"""Compute scores and locations from the score maps of all scales."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from freeloc._literals import PointKind
from freeloc._typing import Float32Array, Float64Array, IntpArray
from freeloc.geometry.lattice import Lattice
from freeloc.inference.boxes import MIN_PROBABILITY
from freeloc.inference.central_point import central_position
from freeloc.inference.decision import DecisionRule
from freeloc.inference.detail_features import choose_detail
from freeloc.inference.instance_cues import InstanceCues, largest_scales
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import LATTICE_STEP, ScoreMap, align_sigmoid, fusion_lattice
from freeloc.nn.pooling.max import MaxPooling
from freeloc.nn.pooling.registry import get_pooling

__all__ = ["ClassPoints", "localize", "locate", "pooled_scores"]


class ClassPoints(NamedTuple):
    """The point of each class in one image.

    Attributes:
        points: (K, 2) float64 x and y in image coordinates.
        responses: (K,) float32 values of the map at the points.
    """

    points: Float64Array
    responses: Float32Array


def localize(
    scale_maps: Sequence[ScoreMap],
    classes: tuple[str, ...],
    *,
    mode: LocationMode = "fused",
    point: PointKind = "salient",
    pooling: str = "max",
    decision: DecisionRule | None = None,
    step: float = LATTICE_STEP,
    path: Path | None = None,
) -> Localization:
    """Compute scores, locations and one map per class from the score maps of all scales.

    Scores do not depend on the mode; see `pooled_scores`. Points are located in one of two ways:

    * "paper": the arg-max of the raw scores over all scales and cells (paper, section 6);
    * "fused": the logistic function of `FUSION_GAIN` times the score is sampled bilinearly on the lattice and
      averaged over scales; the point is the arg-max of the average.

    Args:
        scale_maps: the score maps of one image, one per scale.
        classes: the K class names.
        mode: how points are located.
        point: which place of an object its point is, in mode "fused" and for classes with a probability of at
            least 1%; otherwise, points are salient.
        pooling: how score maps are pooled to scores; see `freeloc.nn.pooling.registry.POOLINGS`.
        decision: the model's calibration and thresholds; by default, the model is treated as uncalibrated.
        step: spacing of the lattice, in pixels of the image at scale 1.
        path: the image's file, stored in the result.
    """
    lattice = Lattice.with_spacing(scale_maps[0].grid.image_size, step)
    scores, rule = pooled_scores(scale_maps, pooling), decision or DecisionRule()
    likely = np.flatnonzero(rule.probabilities(scores) >= MIN_PROBABILITY)
    if mode == "fused":
        maps = _fuse(scale_maps, lattice)
        points, responses = _points(maps, lattice, point, likely)
    else:
        maps = _maximum_over_scales(scale_maps, lattice)
        points, responses = _highest_cells(scale_maps)
    return Localization(
        image_size=lattice.image_size,
        classes=classes,
        scores=scores,
        points=points,
        responses=responses,
        maps=maps,
        lattice=lattice,
        mode=mode,
        path=path,
        decision=rule,
        cues=_instance_cues(scale_maps, likely, lattice),
        point=point if mode == "fused" else "salient",
    )


def locate(
    scale_maps: Sequence[ScoreMap],
    mode: LocationMode = "fused",
    point: PointKind = "salient",
    likely: IntpArray | None = None,
) -> ClassPoints:
    """Find the point of each class as `localize` does, but without storing maps.

    Args:
        scale_maps: the score maps of one image, one per scale.
        mode: how points are located.
        point: which place of an object its point is, in mode "fused".
        likely: indices of the classes to which ``point`` applies; None for all classes.
    """
    if mode == "paper":
        return _highest_cells(scale_maps)
    lattice = fusion_lattice(scale_maps[0].grid.image_size)
    maps = _fuse(scale_maps, lattice)
    return _points(maps, lattice, point, np.arange(len(maps)) if likely is None else likely)


def pooled_scores(scale_maps: Sequence[ScoreMap], pooling: str = "max") -> Float32Array:
    """Pool the score map of each scale, and return the (K,) means over scales (paper, section 4)."""
    pool = get_pooling(pooling)
    # The compiled network has already computed the maxima.
    computed = isinstance(pool, MaxPooling)
    pooled = [part.maxima if computed else pool.pool_maps(part.values) for part in scale_maps]
    scores: Float32Array = np.stack(pooled).mean(axis=0, dtype=np.float64).astype(np.float32)
    return scores


def _instance_cues(scale_maps: Sequence[ScoreMap], labels: IntpArray, lattice: Lattice) -> InstanceCues:
    detail = choose_detail(scale_map.detail for scale_map in scale_maps)
    largest = largest_scales([scale_map.grid.scale for scale_map in scale_maps])
    selected = [scale_maps[index].select(labels.tolist()) for index in largest]
    return InstanceCues(labels, _fuse(selected, lattice), None if detail is None else detail.normalized())


def _fuse(scale_maps: Sequence[ScoreMap], lattice: Lattice) -> Float32Array:
    total = np.zeros((len(scale_maps[0].values), lattice.rows, lattice.cols), np.float32)
    for scale_map in scale_maps:
        aligned = scale_map.aligned if lattice == fusion_lattice(lattice.image_size) else None
        total += align_sigmoid(scale_map.values, scale_map.grid, lattice) if aligned is None else aligned
    return total / np.float32(len(scale_maps))


def _maximum_over_scales(scale_maps: Sequence[ScoreMap], lattice: Lattice) -> Float32Array:
    highest: Float32Array | None = None
    for scale_map in scale_maps:
        rows, cols = scale_map.grid.sampling_weights(lattice)
        aligned = np.matmul(rows @ scale_map.values, cols.T, dtype=np.float32)
        highest = aligned if highest is None else np.maximum(highest, aligned)
    if highest is None:
        raise ValueError("no scale maps to combine")
    return highest


def _points(maps: Float32Array, lattice: Lattice, point: PointKind, likely: IntpArray) -> ClassPoints:
    """Return the points on fused maps; ``point`` applies to the likely classes."""
    highest = _highest_points(maps, lattice)
    if point == "salient":
        return highest
    for label in likely.tolist():
        peak = lattice.nearest(*map(float, highest.points[label]))
        row, col = central_position(maps[label], peak)
        highest.points[label] = lattice.to_image((row, col))
        highest.responses[label] = maps[label, row, col]
    return highest


def _highest_points(maps: Float32Array, lattice: Lattice) -> ClassPoints:
    flat = maps.reshape(len(maps), -1)
    # A map is constant beyond the outermost cells. Among tied positions, the one nearest the center is
    # chosen, because it is closest to the cells that produced the value; the first one would be in a corner.
    tied = flat == flat.max(axis=1, keepdims=True)
    best = np.where(tied, lattice.distance_to_center.ravel(), np.inf).argmin(axis=1)
    cells = np.stack(np.unravel_index(best, maps.shape[1:]), axis=-1)
    return ClassPoints(lattice.to_image(cells), flat[np.arange(len(flat)), best])


def _highest_cells(scale_maps: Sequence[ScoreMap]) -> ClassPoints:
    maxima = np.stack([scale_map.maxima for scale_map in scale_maps])
    best_scales = maxima.argmax(axis=0)
    points = np.empty((maxima.shape[1], 2))
    for position, scale_map in enumerate(scale_maps):
        labels = np.flatnonzero(best_scales == position)
        if len(labels):
            values = scale_map.values[labels]
            best = values.reshape(len(labels), -1).argmax(axis=1)
            cells = np.stack(np.unravel_index(best, values.shape[1:]), axis=-1)
            points[labels] = scale_map.grid.to_image(cells)
    return ClassPoints(points, maxima.max(axis=0))

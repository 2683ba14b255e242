"""Point rows, whose scores and locations are read from the score maps of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from freeloc._literals import LocationMode
from freeloc._typing import Float32Array, Float64Array
from freeloc.evaluation.collect import Predictions
from freeloc.geometry.size import Size
from freeloc.inference.cached_score_maps import trained_on_full_images
from freeloc.inference.fusion import locate, pooled_scores
from freeloc.inference.score_map import ScoreMap
from freeloc.models.model import Model
from freeloc.paper.cached_arrays import load_cached_arrays, save_cached_arrays
from freeloc.paper.map_reader import RowReader
from freeloc.paper.row_plans import RowPlan

__all__ = ["load_predictions", "point_reader", "predictions_from", "save_predictions"]

_ImagePoints: TypeAlias = tuple[Float32Array, Float64Array, Float32Array]
"""(K,) scores, (K, 2) points and (K,) responses of one image."""


def point_reader(row: RowPlan, model: Model) -> RowReader:
    """Return a reader that computes scores and points with the scales and location mode of a row."""
    pooling: str = "max" if trained_on_full_images(model) else model.header.pooling

    def read(_: int, maps: Mapping[float, ScoreMap]) -> _ImagePoints:
        scale_maps = [maps[scale] for scale in row.scales]
        return pooled_scores(scale_maps, pooling), *locate(scale_maps, row.mode)

    return read


def predictions_from(row: RowPlan, sizes: Sequence[Size], results: Sequence[_ImagePoints]) -> Predictions:
    """Combine the results of a `point_reader` for N images into predictions."""
    scores, points, responses = (np.stack(parts) for parts in zip(*results, strict=True))
    return Predictions(row.key, tuple(sizes), scores, {row.mode: points}, {row.mode: responses})


def save_predictions(path: Path, predictions: Predictions, mode: LocationMode, cache_key: str) -> None:
    """Cache the predictions of a row.

    Args:
        path: an ``.npz`` file.
        predictions: predictions in one location mode.
        mode: the location mode.
        cache_key: text that identifies the model, images and scales; `load_predictions` must be called with the
            same key.
    """
    save_cached_arrays(
        path,
        cache_key,
        sizes=[(size.width, size.height) for size in predictions.sizes],
        scores=predictions.scores,
        points=predictions.points[mode],
        responses=predictions.responses[mode],
    )


def load_predictions(path: Path, name: str, mode: LocationMode, cache_key: str) -> Predictions | None:
    """Load predictions written by `save_predictions`; None if the file is missing, damaged or has another key."""
    arrays = load_cached_arrays(path, cache_key)
    if arrays is None or arrays.keys() != {"sizes", "scores", "points", "responses"}:
        return None
    sizes = tuple(Size(int(width), int(height)) for width, height in arrays["sizes"])
    return Predictions(name, sizes, arrays["scores"], {mode: arrays["points"]}, {mode: arrays["responses"]})

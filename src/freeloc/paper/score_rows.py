"""Maps of many heads from one set of features: what the rows of a table are measured on.

Every row shares the backbone, so the features of the images are made once, kept, and read by all heads. What
then happens to a map is what happens everywhere: `freeloc.inference.result`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.evaluation.collect import Predictions
from freeloc.features.sources import CachedFeatures
from freeloc.geometry.size import Size
from freeloc.inference.cached_score_maps import score_maps_from_features, trained_on_full_images
from freeloc.inference.fusion import locate, pooled_scores
from freeloc.inference.result import LocationMode
from freeloc.inference.score_map import ScoreMap
from freeloc.io.progress import track
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.paper.cached_arrays import load_cached_arrays, save_cached_arrays
from freeloc.paper.rows import RowPlan
from freeloc.runtime import Precision

__all__ = [
    "Reader",
    "as_predictions",
    "load_predictions",
    "point_reader",
    "read_maps",
    "save_predictions",
    "surest",
]


Reader = Callable[[int, Mapping[float, ScoreMap]], Any]
"""What a row makes of an image, given its index and its maps by scale."""


def read_maps(
    name: str,
    model: Model,
    backbone: Backbone,
    features: CachedFeatures,
    sizes: Sequence[Size],
    scales: Collection[float],
    readers: Mapping[str, Reader],
    *,
    precision: Precision = "auto",
    quiet: bool = False,
) -> dict[str, list[Any]]:
    """One pass over the images for all rows that read the same model.

    Args:
        name: what progress calls the model.
        model: the trained head.
        backbone: as it is before training.
        features: of N images, at all scales that are read.
        sizes: their N sizes.
        scales: all that the readers look at.
        readers: by row.
        precision: arithmetic of the head.
        quiet: show no progress.

    Returns:
        By row, what its reader made of each image.
    """
    found: dict[str, list[Any]] = {key: [] for key in readers}
    looked = score_maps_from_features(model, backbone, features, sizes, sorted(scales), precision=precision)
    for index, maps in enumerate(track(looked, f"reading {name}", len(sizes), quiet=quiet)):
        for key, reader in readers.items():
            found[key].append(reader(index, maps))
    return found


def point_reader(row: RowPlan, model: Model) -> Reader:
    """Reads scores and points at a row's scales and in its way."""
    pooling: str = "max" if trained_on_full_images(model) else model.header.pooling

    def read(_: int, maps: Mapping[float, ScoreMap]) -> _Read:
        chosen = [maps[scale] for scale in row.scales]
        return pooled_scores(chosen, pooling), *locate(chosen, row.mode)

    return read


def as_predictions(row: RowPlan, sizes: Sequence[Size], read: Sequence[_Read]) -> Predictions:
    """What a `point_reader` made of N images, as rows are measured on it."""
    scores, points, responses = (np.stack(parts) for parts in zip(*read, strict=True))
    return Predictions(row.key, tuple(sizes), scores, {row.mode: points}, {row.mode: responses})


_Read: TypeAlias = tuple[Float32Array, Float64Array, Float32Array]


def surest(
    scores: npt.NDArray[np.float32] | Float64Array, kind: npt.NDArray[np.bool_], count: int
) -> list[tuple[int, int]]:
    """Image and class of the highest score of a kind in every class, the highest ones first.

    Args:
        scores: (N, K).
        kind: (N, K) which pairs are of the kind.
        count: at most so many.
    """
    ranked = np.where(kind, scores, -np.inf)
    best = ranked.argmax(axis=0)
    found = [(float(ranked[image, label]), int(image), label) for label, image in enumerate(best)]
    ordered = sorted((one for one in found if np.isfinite(one[0])), key=lambda one: (-one[0], one[2]))
    return [(image, label) for _, image, label in ordered[:count]]


def save_predictions(path: Path, predictions: Predictions, mode: LocationMode, made_from: str) -> None:
    """Keep what a row was measured on.

    Args:
        path: an ``.npz`` file.
        predictions: of one way to the point.
        mode: that way.
        made_from: tells model, images and scales; `load_predictions` asks for the same.
    """
    save_cached_arrays(
        path,
        made_from,
        sizes=[(size.width, size.height) for size in predictions.sizes],
        scores=predictions.scores,
        points=predictions.points[mode],
        responses=predictions.responses[mode],
    )


def load_predictions(path: Path, name: str, mode: LocationMode, made_from: str) -> Predictions | None:
    """What `save_predictions` kept; None where there is nothing, or it was made from something else."""
    kept = load_cached_arrays(path, made_from)
    if kept is None or kept.keys() != {"sizes", "scores", "points", "responses"}:
        return None
    sizes = tuple(Size(int(width), int(height)) for width, height in kept["sizes"])
    return Predictions(name, sizes, kept["scores"], {mode: kept["points"]}, {mode: kept["responses"]})

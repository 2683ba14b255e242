"""Maps of many heads from one set of features: what the rows of a table are measured on.

Every row shares the trunk, so the features of the photographs are made once, kept, and read by all heads. What
then happens to a map is what happens everywhere: `freeloc.localization`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from freeloc.evaluation import Predictions
from freeloc.featuremaps import maps_of, on_full_images
from freeloc.features import CachedFeatures
from freeloc.geometry import Float32Array, Float64Array, Size
from freeloc.keptarrays import keep_arrays, kept_arrays
from freeloc.localization import LocationMode, ScaleMap, pinpoint
from freeloc.model import Model
from freeloc.poolings import Pooling
from freeloc.progress import track
from freeloc.reproduce.rows import RowPlan
from freeloc.runtime import Precision
from freeloc.trunks.base import Trunk

__all__ = [
    "Reader",
    "as_predictions",
    "load_predictions",
    "point_reader",
    "read_maps",
    "save_predictions",
    "surest",
]


Reader = Callable[[int, Mapping[float, ScaleMap]], Any]
"""What a row makes of a photograph, given its index and its maps by scale."""


def read_maps(
    name: str,
    model: Model,
    trunk: Trunk,
    features: CachedFeatures,
    sizes: Sequence[Size],
    scales: Collection[float],
    readers: Mapping[str, Reader],
    *,
    precision: Precision = "auto",
    quiet: bool = False,
) -> dict[str, list[Any]]:
    """One pass over the photographs for all rows that read the same model.

    Args:
        name: what progress calls the model.
        model: the trained head.
        trunk: as it is before training.
        features: of N photographs, at all scales that are read.
        sizes: their N sizes.
        scales: all that the readers look at.
        readers: by row.
        precision: arithmetic of the head.
        quiet: show no progress.

    Returns:
        By row, what its reader made of each photograph.
    """
    found: dict[str, list[Any]] = {key: [] for key in readers}
    looked = maps_of(model, trunk, features, sizes, sorted(scales), precision=precision)
    for index, maps in enumerate(track(looked, f"reading {name}", len(sizes), quiet=quiet)):
        for key, reader in readers.items():
            found[key].append(reader(index, maps))
    return found


def point_reader(row: RowPlan, model: Model) -> Reader:
    """Reads scores and points at a row's scales and in its way."""
    pooling: Pooling = "max" if on_full_images(model) else model.pooling

    def read(_: int, maps: Mapping[float, ScaleMap]) -> _Read:
        return pinpoint([maps[scale] for scale in row.scales], mode=row.mode, pooling=pooling)

    return read


def as_predictions(row: RowPlan, sizes: Sequence[Size], read: Sequence[_Read]) -> Predictions:
    """What a `point_reader` made of N photographs, as rows are measured on it."""
    scores, points, responses = (np.stack(parts) for parts in zip(*read, strict=True))
    return Predictions(row.key, tuple(sizes), scores, {row.mode: points}, {row.mode: responses})


_Read: TypeAlias = tuple[Float32Array, Float64Array, Float32Array]


def surest(
    scores: npt.NDArray[np.float32] | Float64Array, kind: npt.NDArray[np.bool_], count: int
) -> list[tuple[int, int]]:
    """Photograph and class of the highest score of a kind in every class, the highest ones first.

    Args:
        scores: (N, K).
        kind: (N, K) which pairs are of the kind.
        count: at most so many.
    """
    ranked = np.where(kind, scores, -np.inf)
    best = ranked.argmax(axis=0)
    found = [(float(ranked[photo, label]), int(photo), label) for label, photo in enumerate(best)]
    ordered = sorted((one for one in found if np.isfinite(one[0])), key=lambda one: (-one[0], one[2]))
    return [(photo, label) for _, photo, label in ordered[:count]]


def save_predictions(path: Path, predictions: Predictions, mode: LocationMode, made_from: str) -> None:
    """Keep what a row was measured on.

    Args:
        path: an ``.npz`` file.
        predictions: of one way to the point.
        mode: that way.
        made_from: tells model, photographs and scales; `load_predictions` asks for the same.
    """
    keep_arrays(
        path,
        made_from,
        sizes=[(size.width, size.height) for size in predictions.sizes],
        scores=predictions.scores,
        points=predictions.points[mode],
        responses=predictions.responses[mode],
    )


def load_predictions(path: Path, name: str, mode: LocationMode, made_from: str) -> Predictions | None:
    """What `save_predictions` kept; None where there is nothing, or it was made from something else."""
    kept = kept_arrays(path, made_from)
    if kept is None or kept.keys() != {"sizes", "scores", "points", "responses"}:
        return None
    sizes = tuple(Size(int(width), int(height)) for width, height in kept["sizes"])
    return Predictions(name, sizes, kept["scores"], {mode: kept["points"]}, {mode: kept["responses"]})

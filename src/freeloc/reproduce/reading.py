"""Maps of many heads from one set of features: what the rows of a table are measured on.

Every row shares the trunk, so the features of the photographs are made once, kept, and read by all heads. What
then happens to a map is what happens everywhere: `freeloc.localization`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from freeloc.atomic import replacing
from freeloc.evaluation import Predictions
from freeloc.featuremaps import maps_of, on_full_images
from freeloc.features import CachedFeatures
from freeloc.geometry import Float64Array, Size
from freeloc.localization import LocationMode, pinpoint
from freeloc.model import Model
from freeloc.poolings import Pooling
from freeloc.progress import track
from freeloc.runtime import Precision
from freeloc.trunks.base import Trunk

__all__ = [
    "Reading",
    "load_predictions",
    "read_rows",
    "save_predictions",
    "surest",
]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a row makes of a model's maps.

    Attributes:
        scales: those it looks at.
        mode: its way to the point.
    """

    scales: tuple[float, ...]
    mode: LocationMode


def read_rows(
    name: str,
    model: Model,
    trunk: Trunk,
    features: CachedFeatures,
    sizes: Sequence[Size],
    readings: Mapping[str, Reading],
    *,
    precision: Precision = "auto",
    quiet: bool = False,
) -> dict[str, Predictions]:
    """One pass over the photographs for all rows that read the same model.

    Args:
        name: what progress calls the model.
        model: the trained head.
        trunk: as it is before training.
        features: of N photographs, at all scales of all readings.
        sizes: their N sizes.
        readings: by row.
        precision: arithmetic of the head.
        quiet: show no progress.
    """
    wanted = sorted({scale for reading in readings.values() for scale in reading.scales})
    kept: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {key: [] for key in readings}
    looked = maps_of(model, trunk, features, sizes, wanted, precision=precision)
    for maps in track(looked, f"reading {name}", len(sizes), quiet=quiet):
        for key, reading in readings.items():
            pooling: Pooling = "max" if on_full_images(model) else model.pooling
            looked_at = [maps[scale] for scale in reading.scales]
            kept[key].append(pinpoint(looked_at, mode=reading.mode, pooling=pooling))
    return {
        key: Predictions(
            key,
            tuple(sizes),
            np.stack([scores for scores, _, _ in parts]),
            {readings[key].mode: np.stack([points for _, points, _ in parts])},
            {readings[key].mode: np.stack([responses for _, _, responses in parts])},
        )
        for key, parts in kept.items()
    }


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
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            made_from=np.array(made_from),
            sizes=np.array([(size.width, size.height) for size in predictions.sizes]),
            scores=predictions.scores,
            points=predictions.points[mode],
            responses=predictions.responses[mode],
        )


def load_predictions(path: Path, name: str, mode: LocationMode, made_from: str) -> Predictions | None:
    """What `save_predictions` kept; None where there is nothing, or it was made from something else."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["made_from"]) != made_from:
                return None
            sizes = tuple(Size(int(width), int(height)) for width, height in kept["sizes"])
            return Predictions(name, sizes, kept["scores"], {mode: kept["points"]}, {mode: kept["responses"]})
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None

"""Maps of many heads from one set of features: what the rows of a table are measured on.

Every row shares the trunk, so the features of the photographs are made once, kept, and read by all heads. What
then happens to a map is what happens everywhere: `freeloc.localization`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from freeloc.atomic import replacing
from freeloc.evaluation import Predictions
from freeloc.features import CachedFeatures
from freeloc.geometry import Float64Array, Grid, Pyramid, Size
from freeloc.heads import full_image_scores
from freeloc.localization import LocationMode, ScaleMap, localize
from freeloc.model import Model
from freeloc.overlap import ahead
from freeloc.progress import track
from freeloc.runtime import Precision, native_bfloat16
from freeloc.trunks.base import Trunk

__all__ = [
    "Reading",
    "load_predictions",
    "maps_of",
    "on_full_images",
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


def maps_of(
    model: Model,
    trunk: Trunk,
    features: CachedFeatures,
    sizes: Sequence[Size],
    scales: Sequence[float],
    *,
    precision: Precision = "auto",
) -> Iterator[dict[float, ScaleMap]]:
    """The raw maps of every photograph at some scales.

    Args:
        model: whose head, and projection where it was trained, is asked.
        trunk: the trunk as it is before training.
        features: of N photographs.
        sizes: their N sizes.
        scales: all of them kept in ``features``.
        precision: arithmetic of the head.

    Yields:
        For one photograph after the other, its map at each scale. Where the head was trained on full images, the
        map's peaks are the scores of the full image.
    """
    layout = trunk.layout
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    low = precision != "float32" and native_bfloat16(device.type)
    kind = torch.bfloat16 if low else torch.float32
    projection = model.adapted(trunk).projection.to(device).eval()
    head = model.head.to(device).eval()
    full = on_full_images(model)

    def fetched(index: int) -> list[tuple[Grid, np.ndarray]]:
        pyramid = Pyramid(tuple(scales), model.padding)
        grids = pyramid.grids(sizes[index], layout)
        return [(grid, np.asarray(features.cells(index, grid.scale), np.float32)) for grid in grids]

    for parts in ahead(fetched, range(len(sizes)), threads=2):
        with torch.inference_mode(), torch.autocast(device.type, kind, enabled=low):
            cells = torch.from_numpy(np.concatenate([values for _, values in parts])).to(device, kind)
            scores = head(projection(cells)).float().cpu().numpy()
            counts = [len(values) for _, values in parts]
            pooled = full_image_scores(head, projection, cells, counts) if full else None
        found: dict[float, ScaleMap] = {}
        start = 0
        for grid, values in parts:
            own = scores[start : start + len(values)].T
            start += len(values)
            shape = (len(own), grid.valid_rows, grid.valid_cols)
            scale_map = ScaleMap.of(np.ascontiguousarray(own).reshape(shape), grid)
            if pooled is not None:
                scale_map = replace(scale_map, peaks=pooled[len(found)].float().cpu().numpy())
            found[grid.scale] = scale_map
        yield found


def on_full_images(model: Model) -> bool:
    """Whether a head was trained on full images: its score is that of the mean of all cells, not of any cell."""
    recipe = dict((model.manifest or {}).get("recipe") or {})
    return recipe.get("pooling") == "full"


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
            found = localize(
                [maps[scale] for scale in reading.scales],
                model.classes,
                mode=reading.mode,
                pooling="max" if on_full_images(model) else model.pooling,
            )
            kept[key].append((found.scores, found.points, found.responses))
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
    except (OSError, ValueError, KeyError, EOFError):
        return None

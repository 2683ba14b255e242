"""Score maps as ``.npz`` files, and names for files made from images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from freeloc._choices import MapSize
from freeloc.inference.result import Localization
from freeloc.io import atomic

__all__ = ["MapSize", "write_maps"]


_MAPS_VERSION = 1


_HALF_LIMIT = float(np.finfo(np.float16).max)


def write_maps(
    path: Path,
    localization: Localization,
    *,
    size: MapSize = "image",
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
) -> None:
    """Write score maps of one image.

    The file holds no pickled object (``numpy.load`` with its default ``allow_pickle=False`` reads it) and is not
    compressed: smooth maps would shrink by a fifth and take a hundred times as long. Its arrays, for C maps:

    * ``maps``: (C, rows, columns) float16. Values are 0 to 1 when fused, raw scores the paper's way.
    * ``classes``: (C,) str, the class of each map.
    * ``probabilities``: (C,) float32, and ``points``: (C, 2) float64 x and y in image pixels.
    * ``x``: (columns,) and ``y``: (rows,) float64, where the values lie: centres in image pixels.
    * ``image_size``: (2,) int64, width and height of the upright image.
    * ``mode``: () str, "fused" or "paper"; ``size``: () str, as below; ``schema_version``: () int64, 1.

    Args:
        path: the file to write; by custom it ends in ``.npz``.
        localization: scores, points and maps.
        size: "image": maps rescaled to the image, one value per pixel; "lattice": as computed, about
            2,500 values a map.
        classes: these maps, in this order. Without it, at "image" size the present classes, most probable
            first, and at "lattice" size all classes in the model's order.
        threshold: probability from which a class is present; without it the model's own, for each class.

    Raises:
        FreelocError: the model has no such class, or the file cannot be written.
    """
    if classes is None and size == "image":
        classes = [location.name for location in localization.present(threshold)]
    elif classes is None:
        classes = localization.classes
    locations = [localization[name] for name in classes]
    image, lattice = localization.image_size, localization.lattice
    if size == "image":
        x, y = np.arange(image.width) + 0.5, np.arange(image.height) + 0.5
    else:
        x, y = lattice.xs, lattice.ys
    maps = np.empty((len(classes), len(y), len(x)), np.float16)
    for index, name in enumerate(classes):
        values = (
            localization.maps[localization.classes.index(name)]
            if size == "lattice"
            else localization.map(name)
        )
        maps[index] = np.clip(values, -_HALF_LIMIT, _HALF_LIMIT)
    arrays: dict[str, Any] = {
        "schema_version": np.int64(_MAPS_VERSION),
        "maps": maps,
        "classes": np.array(classes, np.str_),
        "probabilities": np.array([location.probability for location in locations], np.float32),
        "points": np.array([(location.x, location.y) for location in locations], np.float64).reshape(-1, 2),
        "x": np.asarray(x, np.float64),
        "y": np.asarray(y, np.float64),
        "image_size": np.array([image.width, image.height], np.int64),
        "mode": np.str_(localization.mode),
        "size": np.str_(size),
    }
    # NumPy would add ".npz" to a name; to an open file it adds nothing.
    with atomic.atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)

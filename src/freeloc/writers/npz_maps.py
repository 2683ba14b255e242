"""Write score maps as NumPy ``.npz`` files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from PIL import Image

from freeloc._literals import MapSize
from freeloc.inference.result import Localization
from freeloc.io import atomic
from freeloc.io.interruption import deferred_interrupts
from freeloc.writers.base import Writer

__all__ = ["NpzMapsWriter", "write_maps"]

_SCHEMA_VERSION: Final = 1

_FLOAT16_MAX: Final = float(np.finfo(np.float16).max)


class NpzMapsWriter(Writer):
    """Writer of one ``maps/NAME.npz`` per image."""

    name: ClassVar[str] = "npz"
    place: ClassVar[str | None] = "maps"

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the score maps of one image.

        Raises:
            OutputError: the file cannot be written.
        """
        file = self.path_of(f"maps/{name}.npz")
        write_maps(file, result, size=self.options.map_size, threshold=self.options.threshold)
        self.files.append(file)


def write_maps(
    path: Path,
    localization: Localization,
    *,
    size: MapSize = "image",
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
) -> None:
    """Write the score maps of one image.

    The file contains no pickled objects (``numpy.load`` reads it with its default ``allow_pickle=False``) and is
    not compressed, because compression would shrink smooth maps by only a fifth and take a hundred times as long.
    For C maps, it contains these arrays:

    * ``maps``: (C, rows, columns) float16. Values between 0 and 1 in mode "fused", raw scores in mode "paper".
    * ``classes``: (C,) str, the class of each map.
    * ``probabilities``: (C,) float32, and ``points``: (C, 2) float64 x and y in image coordinates.
    * ``x``: (columns,) and ``y``: (rows,) float64, positions of the values in image coordinates.
    * ``image_size``: (2,) int64, width and height of the upright image.
    * ``mode``: () str, "fused" or "paper"; ``size``: () str, see below; ``schema_version``: () int64, 1.

    Args:
        path: the file to write; its suffix is usually ``.npz``.
        localization: scores, points and maps.
        size: "image" resizes the maps to the image, with one value per pixel; "lattice" writes them as computed,
            with about 2,500 values per map.
        classes: the classes whose maps are written, in this order. By default, the present classes in
            order of decreasing probability for size "image", and all classes in the model's order for size
            "lattice".
        threshold: minimum probability for a class to count as present; default: the model's threshold for each
            class.

    Raises:
        ConfigurationError: the model lacks one of the classes.
        OutputError: the file cannot be written.
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
        maps[index] = np.clip(values, -_FLOAT16_MAX, _FLOAT16_MAX)
    arrays: dict[str, Any] = {
        "schema_version": np.int64(_SCHEMA_VERSION),
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
    # savez would append ".npz" to a file name, but not to an open file.
    with atomic.atomic_path(path) as temporary, deferred_interrupts(), temporary.open("wb") as file:
        np.savez(file, **arrays)

"""Score maps as ``.npz`` files, and names for files made from photographs."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from freeloc import atomic
from freeloc.localization import Localization

__all__ = ["MapSize", "output_names", "write_maps"]

MapSize = Literal["photograph", "lattice"]
"""Maps with a value for every pixel of the photograph, or on the coarse raster they were computed on."""

_MAPS_VERSION = 1

_HALF_LIMIT = float(np.finfo(np.float16).max)


def write_maps(
    path: Path,
    localization: Localization,
    *,
    size: MapSize = "photograph",
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
) -> None:
    """Write score maps of one photograph.

    The file holds no pickled object (``numpy.load`` with its default ``allow_pickle=False`` reads it) and is not
    compressed: smooth maps would shrink by a fifth and take a hundred times as long. Its arrays, for C maps:

    * ``maps``: (C, rows, columns) float16. Values are 0 to 1 when fused, raw scores the paper's way.
    * ``classes``: (C,) str, the class of each map.
    * ``probabilities``: (C,) float32, and ``points``: (C, 2) float64 x and y in photograph pixels.
    * ``x``: (columns,) and ``y``: (rows,) float64, where the values lie: centres in photograph pixels.
    * ``photo_size``: (2,) int64, width and height of the upright photograph.
    * ``mode``: () str, "fused" or "paper"; ``size``: () str, as below; ``schema_version``: () int64, 1.

    Args:
        path: the file to write; by custom it ends in ``.npz``.
        localization: scores, points and maps.
        size: "photograph": maps rescaled to the photograph, one value per pixel; "lattice": as computed, about
            2,500 values a map.
        classes: these maps, in this order. Without it, at "photograph" size the present classes, most probable
            first, and at "lattice" size all classes in the model's order.
        threshold: probability from which a class is present; without it the model's own, for each class.

    Raises:
        FreelocError: the model has no such class, or the file cannot be written.
    """
    if classes is None and size == "photograph":
        classes = [location.name for location in localization.present(threshold)]
    elif classes is None:
        classes = localization.classes
    locations = [localization[name] for name in classes]
    photo, lattice = localization.photo, localization.lattice
    if size == "photograph":
        x, y = np.arange(photo.width) + 0.5, np.arange(photo.height) + 0.5
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
        "photo_size": np.array([photo.width, photo.height], np.int64),
        "mode": np.str_(localization.mode),
        "size": np.str_(size),
    }
    # NumPy would add ".npz" to a name; to an open file it adds nothing.
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def output_names(paths: Sequence[Path]) -> list[str]:
    """Names for files made from photographs, without an ending, so that no two photographs share one.

    A name is the photograph's path below the deepest folder that holds them all, without its ending, with
    ``/`` between folders: ``album/a/x.jpg`` and ``album/b/x.jpg`` give ``a/x`` and ``b/x``; photographs of one
    folder give their bare names. Photographs that would still share a name, because they differ in their
    endings only, keep them: ``x.jpg`` and ``x.png``. Upper and lower case count as the same, for some disks
    hold them so; photographs that differ in case only get ``~2``, ``~3``, … in the order of their sorted paths.

    The names depend on the set of paths alone, not on their order; a path given twice gets the same name
    twice. Paths are compared as written (made absolute), links are not followed.

    Returns:
        One name per path, in the order of ``paths``.
    """
    # Path.resolve would follow links, into stores where files have other names.
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100
    unique = sorted(set(absolute))
    whole = {path: "/".join(parts) for path, parts in zip(unique, _below_common_folder(unique), strict=True)}
    names = {path: name.removesuffix(path.suffix) for path, name in whole.items()}
    while True:
        counts = Counter(map(_folded, names.values()))
        shared = [path for path in unique if counts[_folded(names[path])] > 1 and names[path] != whole[path]]
        if not shared:
            break
        names.update((path, whole[path]) for path in shared)
    taken: set[str] = set()
    for path in unique:
        name, number = names[path], 1
        while _folded(names[path]) in taken:
            number += 1
            names[path] = f"{name}~{number}"
        taken.add(_folded(names[path]))
    return [names[path] for path in absolute]


def _below_common_folder(paths: Sequence[Path]) -> list[tuple[str, ...]]:
    folders = [path.parts[:-1] for path in paths]
    depth = 0
    while folders and all(len(folder) > depth and folder[depth] == folders[0][depth] for folder in folders):
        depth += 1
    # Photographs on several Windows drives share no folder: "C:\\" becomes the folder "C".
    return [
        tuple(part.strip(":\\/") if part == path.anchor else part for part in path.parts[depth:])
        for path in paths
    ]


def _folded(name: str) -> str:
    """What a disk that ignores case, or composes accents, takes a name for."""
    return unicodedata.normalize("NFC", name).casefold()

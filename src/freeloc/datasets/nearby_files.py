"""Find the file that is probably meant by a path at which there is none."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from freeloc.images.find import SUFFIXES
from freeloc.io.paths import is_file

__all__ = ["NearbyFiles"]


class NearbyFiles:
    """Finds images whose names differ from a listed one only in the suffix or case, or that are in a subfolder.

    Each folder is listed once, because all images of a list may be missing for the same reason.

    Example:
        >>> NearbyFiles().find(Path("holiday/A"))
        PosixPath('holiday/a.jpg')
    """

    def __init__(self) -> None:
        self._names: dict[Path, dict[str, list[str]]] = {}
        self._subfolders: dict[Path, list[Path]] = {}

    def find(self, path: Path) -> Path | None:
        """Return the only such image in the folder of a path, or else in its subfolders; None if there is none."""
        folder = path.parent
        stems = dict.fromkeys((path.name.casefold(), path.stem.casefold()))
        for places in ([folder], self._folders_in(folder)):
            for stem in stems:
                named = (place / name for place in places for name in self._images_in(place).get(stem, ()))
                found = [candidate for candidate in named if is_file(candidate)]
                exact = [candidate for candidate in found if candidate.name == path.name]
                if len(exact or found) == 1:
                    return (exact or found)[0]
        return None

    def _images_in(self, folder: Path) -> dict[str, list[str]]:
        """Return the names of the images in a folder by their stem, ignoring case."""
        if folder not in self._names:
            names: dict[str, list[str]] = defaultdict(list)
            for name in _entries(folder):
                stem, suffix = os.path.splitext(name)  # noqa: PTH122 - called for every file
                if suffix.lower() in SUFFIXES:
                    names[stem.casefold()].append(name)
            self._names[folder] = names
        return self._names[folder]

    def _folders_in(self, folder: Path) -> list[Path]:
        if folder not in self._subfolders:
            paths = [folder / name for name in sorted(_entries(folder))]
            self._subfolders[folder] = [path for path in paths if path.is_dir()]
        return self._subfolders[folder]


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - only the names are needed
    except (OSError, ValueError):  # ValueError: the path contains a null character
        return []

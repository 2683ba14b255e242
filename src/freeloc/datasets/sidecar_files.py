"""Find the sidecars of images: files next to them that contain their tags or keywords."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from pathlib import Path

from freeloc.images.find import is_system_name

__all__ = ["SidecarFinder"]


class SidecarFinder:
    """Finds the sidecars of images. Each folder is listed once.

    The sidecars of ``a.jpg`` are ``a.jpg.xmp`` and ``a.xmp``, in this order, with a suffix in either case. The
    latter is also a sidecar of ``a.png``.

    Args:
        suffix: the suffix of sidecars in lower case, such as ".xmp".
    """

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._folders: dict[Path, dict[str, list[str]]] = {}

    def find(self, image: Path) -> tuple[Path, ...]:
        """Return the sidecars of an image, which may also be folders, the one with its whole name first."""
        folder = image.parent
        if folder not in self._folders:
            self._folders[folder] = self._list(folder)
        names = self._folders[folder]
        keys = dict.fromkeys((_key(image.name), _key(image.stem)))
        return tuple(folder / name for key in keys for name in names.get(key, ()))

    def _list(self, folder: Path) -> dict[str, list[str]]:
        """Return the names of the files with the suffix by their name without it."""
        names: dict[str, list[str]] = defaultdict(list)
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - only the names are needed
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 - called for every file
            if suffix.lower() == self._suffix and not is_system_name(name):
                names[_key(stem)].append(name)
        return names


def _key(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)

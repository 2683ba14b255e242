"""The images of a VOC devkit by name without suffix, by which lists and annotations refer to them."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freeloc.images.find import SUFFIXES, is_system_name
from freeloc.io.paths import existing_name, is_file

__all__ = ["FolderImages"]


@dataclass(frozen=True)
class FolderImages:
    """The images in one folder, without hidden and system files.

    Attributes:
        folder: the folder.
        names: the file names of the images by their names without suffix, in the order of `SUFFIXES`.
        composed: for each name in Unicode's composed form (NFC), the names that have this form.
        has_blanks: whether any name contains white space.
    """

    folder: Path
    names: Mapping[str, tuple[str, ...]]
    composed: Mapping[str, tuple[str, ...]]
    has_blanks: bool

    @classmethod
    def read(cls, folder: Path) -> FolderImages:
        """List the images of a folder; a folder that does not exist contains none."""
        files = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 - names are enough
        by_stem: dict[str, list[str]] = defaultdict(list)
        composed: dict[str, list[str]] = defaultdict(list)
        for name in files:
            if _suffix(name) in SUFFIXES and not is_system_name(name):
                by_stem[Path(name).stem].append(name)
        for stem in by_stem:
            composed[unicodedata.normalize("NFC", stem)].append(stem)
        return cls(
            folder,
            {stem: tuple(sorted(names, key=_order)) for stem, names in by_stem.items()},
            {form: tuple(sorted(stems)) for form, stems in composed.items()},
            has_blanks=any(len(stem.split()) > 1 for stem in by_stem),
        )

    def __contains__(self, image_id: str) -> bool:
        return bool(self.find_all(image_id))

    def find_all(self, image_id: str) -> tuple[str, ...]:
        """Return the names of all images that have a name without suffix, the most usual suffix first.

        If there is no such image, images are returned whose names differ only in the Unicode form.
        """
        if image_id in self.names:
            return self.names[image_id]
        stems = self.composed.get(unicodedata.normalize("NFC", image_id), ())
        return tuple(name for stem in stems for name in self.names[stem])

    def path(self, image_id: str) -> Path:
        """Return the path of an image; with the suffix .jpg if there is none with this name."""
        if found := self.find_all(image_id):
            return self.folder / found[0]
        # The name may lead to a subfolder.
        ends = dict.fromkeys((".jpg", *(end for suffix in SUFFIXES for end in (suffix, suffix.upper()))))
        candidates = (self.folder / existing_name(self.folder, image_id + end) for end in ends)
        is_nested = "/" in image_id or "\\" in image_id
        usual = self.folder / f"{image_id}.jpg"
        return next(filter(is_file, candidates), usual) if is_nested else usual


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - called for every file of a folder


def _order(name: str) -> tuple[int, bool, str]:
    suffix = _suffix(name)
    return SUFFIXES.index(suffix), not name.endswith(suffix), name

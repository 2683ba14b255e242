"""Tag lists as folders: one sub-folder for each class."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container
from pathlib import Path

from freeloc.datasets.tags.rows import RowFault, TagRow, TagTable
from freeloc.errors import FreelocError
from freeloc.images.find import SUFFIXES, UNSUPPORTED_SUFFIXES
from freeloc.io.paths import is_broken_link, is_file

__all__ = ["has_images", "read_class_folders", "subfolders"]


def subfolders(folder: Path) -> list[Path]:
    """The folders inside a folder, sorted, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def has_images(folder: Path) -> bool:
    """Whether an image lies directly in a folder, going by the names."""
    return any(_has_suffix(path, SUFFIXES) and path.is_file() for path in folder.iterdir())


def read_class_folders(folder: Path, split: str | None = None) -> TagTable:
    """Read the images of class folders.

    Images lie directly in their class folder; other files are passed over. Pictures of kinds that freeloc
    does not read are rows with a fault, and so are links to nothing in the end. Files of the same name and the
    same bytes in several class folders are one image with several tags; its path is the first one.

    Args:
        folder: what holds the class folders.
        split: the part all images belong to.

    Returns:
        One row per image, sorted by class and name.

    Raises:
        FreelocError: a class folder holds folders.
    """
    classes = subfolders(folder)
    by_name: dict[str, list[Path]] = defaultdict(list)
    for class_folder in classes:
        if deeper := subfolders(class_folder):
            raise FreelocError(f"{deeper[0]} is a folder inside a class folder: put its images one folder up")
        for path in sorted(filter(_is_picture, class_folder.iterdir())):
            by_name[path.name].append(path)
    groups = [group for paths in by_name.values() for group in _same_bytes(paths)]
    groups.sort(key=lambda group: (group[0].parent.name, group[0].name))
    rows = (
        TagRow(
            group[0],
            None,
            group[0],
            split,
            tuple(path.parent.name for path in group),
            faults=_faults(group[0]),
        )
        for group in groups
    )
    return TagTable(folder, tuple(rows), names=tuple(path.name for path in classes))


def _has_suffix(path: Path, suffixes: Container[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def _is_picture(path: Path) -> bool:
    """Whether a file or link goes for a picture by its name, be it one that freeloc reads or not."""
    named = _has_suffix(path, SUFFIXES) or _has_suffix(path, UNSUPPORTED_SUFFIXES)
    return named and (is_file(path) or is_broken_link(path))


def _faults(path: Path) -> tuple[RowFault, ...]:
    if not (_has_suffix(path, UNSUPPORTED_SUFFIXES) and path.is_file()):
        return ()
    message = "this is a picture of a kind that freeloc does not read: convert it to JPEG"
    return (RowFault("unreadable_image", message),)


def _same_bytes(paths: list[Path]) -> list[list[Path]]:
    """Groups of equal files; only files of equal size are read."""
    if len(paths) == 1:
        return [paths]
    sizes: dict[int, list[Path]] = defaultdict(list)
    groups: dict[bytes | Path, list[Path]] = defaultdict(list)
    for path in paths:
        if path.is_file():
            sizes[path.stat().st_size].append(path)
        else:
            groups[path].append(path)
    for same_size in sizes.values():
        for path in same_size:
            groups[path if len(same_size) == 1 else _digest(path)].append(path)
    return list(groups.values())


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()

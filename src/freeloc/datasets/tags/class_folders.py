"""Read tag lists that consist of class folders: one subfolder of images per class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from pathlib import Path

from freeloc.datasets.tags.rows import RowProblem, TagRow, TagTable
from freeloc.errors import DatasetError
from freeloc.images.find import SUFFIXES, UNSUPPORTED_SUFFIXES
from freeloc.io.content_hash import hash_file
from freeloc.io.paths import is_broken_link, is_file

__all__ = ["has_images", "read_class_folders", "subfolders"]

_UNSUPPORTED = RowProblem("unreadable_image", "this type of image is not supported: convert the file to JPEG")


def subfolders(folder: Path) -> list[Path]:
    """Return the subfolders of a folder in sorted order, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def has_images(folder: Path) -> bool:
    """Return whether a folder directly contains a file with an image suffix."""
    return any(_has_suffix(path, SUFFIXES) and path.is_file() for path in folder.iterdir())


def read_class_folders(folder: Path, split: str | None = None) -> TagTable:
    """List the images of class folders.

    Images must be directly in their class folder; other files are ignored. Images of unsupported types and broken
    links become rows with a problem. Files with the same name and contents in several class folders count as one
    image with several tags; the image's path is that of the first file.

    Args:
        folder: the folder that contains the class folders.
        split: the split to which all images belong.

    Returns:
        One row per image, sorted by class and name.

    Raises:
        DatasetError: a class folder contains folders.
    """
    classes = subfolders(folder)
    by_name: dict[str, list[Path]] = defaultdict(list)
    for class_folder in classes:
        if nested := subfolders(class_folder):
            raise DatasetError(
                f"{nested[0]} is a folder inside a class folder: move its images into the class folder",
                path=nested[0],
            )
        for path in sorted(filter(_is_image, class_folder.iterdir())):
            by_name[path.name].append(path)
    groups = [group for paths in by_name.values() for group in _group_equal_files(paths)]
    groups.sort(key=lambda group: (group[0].parent.name, group[0].name))
    rows = (
        TagRow(
            file=group[0],
            line=None,
            image=group[0],
            split=split,
            tags=tuple(path.parent.name for path in group),
            problems=(_UNSUPPORTED,) if _is_unsupported(group[0]) else (),
        )
        for group in groups
    )
    return TagTable(folder, tuple(rows), class_names=tuple(path.name for path in classes))


def _has_suffix(path: Path, suffixes: Container[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def _is_image(path: Path) -> bool:
    """Return whether a path is a file or a broken link with an image suffix, supported or not."""
    named = _has_suffix(path, SUFFIXES) or _has_suffix(path, UNSUPPORTED_SUFFIXES)
    return named and (is_file(path) or is_broken_link(path))


def _is_unsupported(path: Path) -> bool:
    return _has_suffix(path, UNSUPPORTED_SUFFIXES) and path.is_file()


def _group_equal_files(paths: list[Path]) -> list[list[Path]]:
    """Group the files that have equal contents; only files of equal size are read."""
    if len(paths) == 1:
        return [paths]
    sizes: dict[int, list[Path]] = defaultdict(list)
    groups: dict[str | Path, list[Path]] = defaultdict(list)
    for path in paths:
        if path.is_file():
            sizes[path.stat().st_size].append(path)
        else:
            groups[path].append(path)
    for same_size in sizes.values():
        for path in same_size:
            groups[path if len(same_size) == 1 else _content_hash(path)].append(path)
    return list(groups.values())


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hash_file(file)

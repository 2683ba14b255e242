"""Read tag lists that consist of class folders: one subfolder of images per class."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from freeloc.datasets.class_names import clean_name
from freeloc.datasets.tags.rows import RowProblem, TagRow, TagTable
from freeloc.errors import DatasetError
from freeloc.images.find import SUFFIXES, UNSUPPORTED_SUFFIXES, advice, is_system_name
from freeloc.io.content_hash import hash_file
from freeloc.io.limits import check_resources
from freeloc.io.paths import is_broken_link, is_file
from freeloc.io.regular_file import open_regular

__all__ = ["entries_of", "has_images", "is_folder", "is_image_name", "read_class_folders", "subfolders"]


def subfolders(folder: Path) -> list[Path]:
    """Return the subfolders of a folder in sorted order, without hidden ones and those of the operating system."""
    return sorted(Path(entry.path) for entry in entries_of(folder) if is_folder(entry))


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """Return the files and folders in a folder, without hidden ones and those of the operating system.

    Raises:
        DatasetError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not is_system_name(entry.name)]
    except OSError as error:
        check_resources(error)
        raise DatasetError(
            f"cannot read the folder {folder}: {error.strerror}; check its permissions", path=folder
        ) from error


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry of a folder is a folder or a link to one."""
    # DirEntry.is_dir raises an error for a link to itself.
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()


def has_images(folder: Path) -> bool:
    """Return whether a folder directly contains a file with the suffix of a supported image format."""
    return any(
        Path(entry.name).suffix.lower() in SUFFIXES and is_file(Path(entry.path))
        for entry in entries_of(folder)
    )


def is_image_name(name: str) -> bool:
    """Return whether a file name has the suffix of an image format, supported or not, and is no system file."""
    suffix = Path(name).suffix.lower()
    return (suffix in SUFFIXES or suffix in UNSUPPORTED_SUFFIXES) and not is_system_name(name)


def read_class_folders(folder: Path, classes: Sequence[Path], split: str | None = None) -> TagTable:
    """List the images of class folders.

    Images must be directly in their class folder; other files are ignored. Images of unsupported types and broken
    links become rows with a problem. Files with the same name and contents in several class folders count as one
    image with several tags; the image's path is that of the first file.

    Args:
        folder: the folder that contains the class folders.
        classes: the class folders.
        split: the split to which all images belong.

    Returns:
        One row per image, sorted by class and name.

    Raises:
        DatasetError: a class folder contains folders.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for class_folder in classes:
        if nested := subfolders(class_folder):
            raise DatasetError(
                f"{nested[0]} is a folder inside a class folder: move its images into the class folder",
                path=nested[0],
            )
        for path in sorted(filter(_is_image, (Path(entry.path) for entry in entries_of(class_folder)))):
            by_name[path.name].append(path)
    groups = [group for paths in by_name.values() for group in _group_equal_files(paths)]
    groups.sort(key=lambda group: (group[0].parent.name, group[0].name))
    rows = (
        TagRow(
            file=group[0],
            line=None,
            image=group[0],
            split=split,
            tags=tuple(dict.fromkeys(clean_name(path.parent.name) for path in group)),
            problems=_problems(group[0]),
        )
        for group in groups
    )
    names = dict.fromkeys(clean_name(path.name) for path in classes)
    return TagTable(folder, tuple(rows), class_names=tuple(names))


def _is_image(path: Path) -> bool:
    """Return whether a path is a file or a broken link with an image suffix, supported or not."""
    return is_image_name(path.name) and (is_file(path) or is_broken_link(path))


def _problems(path: Path) -> tuple[RowProblem, ...]:
    suffix = path.suffix.lower()
    if suffix not in UNSUPPORTED_SUFFIXES or not path.is_file():
        return ()
    return (RowProblem("unreadable_image", f"freeloc cannot read this type of image: {advice([suffix])}"),)


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
    with open_regular(path) as file:
        return hash_file(file)

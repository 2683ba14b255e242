"""Find listed images: the folder to which their names are relative, and files in other folders than listed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from freeloc.datasets.tags.class_folders import is_image_name
from freeloc.images.find import SUFFIXES
from freeloc.io.paths import existing_name, is_file

__all__ = ["find_by_ending", "find_image", "find_image_or_id", "find_images_folder"]

_MAX_PARTS: Final = 50
"""Maximum number of folders and names in an ending of a path that is tried."""


def find_images_folder(usual: Iterable[Path], names: Sequence[str]) -> Path:
    """Return the first of the usual folders that contains any listed image, or else the first that exists.

    Args:
        usual: the folders, the most usual first; at least one exists.
        names: the listed file names, relative to the folder.

    Example:
        >>> find_images_folder([Path("holiday/images"), Path("holiday")], ["gone.jpg", "a.jpg"])
        PosixPath('holiday')
    """
    folders = [folder for folder in usual if folder.is_dir()]
    return next(
        (
            folder
            for folder in folders
            if any(is_file(folder / existing_name(folder, name)) for name in names)
        ),
        folders[0],
    )


def find_by_ending(folder: Path, name: str) -> Path | None:
    """Return the file in a folder that a listed path means, even if some of its first folders are missing there.

    A label tool lists paths in its own storage, of which ``folder`` may be any part.

    Returns:
        The file with the longest ending of the path; None if there is none.

    Example:
        >>> find_by_ending(Path("holiday"), "photos/2026/a.jpg")
        PosixPath('holiday/a.jpg')
    """
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
    endings = ["/".join(parts[start:]) for start in range(max(0, len(parts) - _MAX_PARTS), len(parts))]
    paths = (folder / existing_name(folder, ending) for ending in endings)
    return next(filter(is_file, paths), None)


def find_image(folders: Sequence[Path], name: str) -> Path:
    """Return the file that a listed path means, in the first of several folders that contains it.

    A file with the whole path in any folder takes precedence over one with an ending of the path.

    Args:
        folders: the folders, the most usual first.
        name: the listed path, relative to a folder.

    Returns:
        The file; if there is none, the path at which it is missing in the first folder that exists.
    """
    whole = (folder / existing_name(folder, name) for folder in folders)
    endings = (find_by_ending(folder, name) for folder in folders)
    found = next((path for path in whole if is_file(path)), next(filter(None, endings), None))
    return found or _first_folder(folders) / name.lstrip("/")


def find_image_or_id(folders: Sequence[Path], name: str) -> Path:
    """Return the file that a listed path or an id means; an id is the name of the file without its suffix.

    Args:
        folders: the folders, the most usual first.
        name: the path or the id, which may contain folders.

    Returns:
        The file; if there is none, the path at which it is missing in the first folder that exists.
    """
    path = find_image(folders, name)
    if is_file(path) or is_image_name(path.name):
        return path
    suffixes = (form for suffix in SUFFIXES for form in (suffix, suffix.upper()))
    candidates = (find_image(folders, name + suffix) for suffix in suffixes)
    return next(filter(is_file, candidates), Path(f"{path}{SUFFIXES[0]}"))


def _first_folder(folders: Sequence[Path]) -> Path:
    # Path.is_dir raises for names that are too long.
    return next((folder for folder in folders if os.path.isdir(folder)), folders[0])  # noqa: PTH112

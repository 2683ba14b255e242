"""Find listed images: the folder to which their names are relative, and files in other folders than listed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from freeloc.io.paths import existing_name, is_file

__all__ = ["find_by_ending", "find_image", "find_images_folder"]


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
    endings = ["/".join(parts[start:]) for start in range(len(parts))]
    paths = (folder / existing_name(folder, ending) for ending in endings)
    return next(filter(is_file, paths), None)


def find_image(folders: Sequence[Path], name: str) -> Path:
    """Return the file that a listed path means, in the first of several folders that contains it.

    A file with the whole path in any folder takes precedence over one with an ending of the path.

    Args:
        folders: the folders, the most usual first.
        name: the listed path, relative to a folder.

    Returns:
        The file; if there is none, the path at which it is missing in the first folder.
    """
    whole = (folder / existing_name(folder, name) for folder in folders)
    endings = (find_by_ending(folder, name) for folder in folders)
    return next(
        (path for path in whole if is_file(path)), next(filter(None, endings), folders[0] / name.lstrip("/"))
    )

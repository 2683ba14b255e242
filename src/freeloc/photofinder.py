"""Which photographs a user's words name: files, folders, patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from freeloc.errors import FreelocError

__all__ = ["SUFFIXES", "find_photographs"]

_WORDS = "jpg jpeg png jpe jfif mpo apng webp tif tiff gif bmp ppm pgm pbm pnm pfm jp2 j2k jpx avif"
SUFFIXES = tuple(f".{word}" for word in _WORDS.split())
"""Name endings of photographs, in lower case, the commonest first."""


def find_photographs(arguments: Sequence[str | Path]) -> list[Path]:
    """The photographs that a user's words name.

    Each word is a file (taken whatever its ending), a folder (all files below it whose ending is one of
    `SUFFIXES`, sorted) or a pattern with ``*``, ``?``, ``[…]`` or ``**`` (its matches, sorted: files whose
    ending is known, and folders as above). Names that begin with a dot are passed over in folders and
    patterns. Upper and lower case of endings do not matter.

    Returns:
        The paths in the order of the words; a file that several words name comes once, at its first place.

    Raises:
        FreelocError: a word names nothing, or a folder or pattern holds no photograph.
    """
    found: dict[tuple[Path, str], Path] = {}
    real_folders: dict[Path, Path] = {}
    for argument in arguments:
        for path in _matches(argument):
            folder = path.parent
            if folder not in real_folders:
                real_folders[folder] = folder.resolve()
            found.setdefault((real_folders[folder], path.name), path)
    return list(found.values())


def _matches(argument: str | Path) -> Iterator[Path]:
    path = Path(argument).expanduser()
    if path.is_dir():
        photographs: Iterable[Path] = _walk(path, set())
        problem = f"the folder {argument} holds no photograph: name another, or convert its pictures to JPEG"
    elif path.exists():
        photographs = (path,)
        problem = ""
    elif glob.has_magic(str(path)):
        photographs = _expand(path)
        problem = f"no photograph matches {argument}: check the pattern"
    else:
        raise FreelocError(f"there is no file or folder {argument}: check the name")
    nothing = True
    for photograph in photographs:
        nothing = False
        yield photograph
    if nothing:
        raise FreelocError(problem)


def _expand(pattern: Path) -> Iterator[Path]:
    # Path.glob would also give hidden files, and before Python 3.13 only folders for a last "**".
    names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207
    for path in sorted(map(Path, names), key=lambda path: path.parts):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield path
        elif path.is_dir():
            yield from _walk(path, set())


def _walk(folder: Path, visited: set[Path]) -> Iterator[Path]:
    """Photographs below a folder, sorted; ``visited`` ends the circles that links can make."""
    real = folder.resolve()
    if real in visited:
        return
    visited.add(real)
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise FreelocError(
            f"cannot read the folder {folder}: {error.strerror}; check its permissions"
        ) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        if entry.is_dir():
            yield from _walk(path, visited)
        elif path.suffix.lower() in SUFFIXES and entry.is_file():
            yield path

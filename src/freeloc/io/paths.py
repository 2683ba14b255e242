"""Paths that users name and lists contain; a path that the system does not allow raises no error."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePath

from freeloc.io.regular_file import special_kind

__all__ = ["existing_name", "is_broken_link", "is_file", "why_not_a_file"]


def is_file(path: Path) -> bool:
    """Return whether a regular file exists at a path."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for names that are too long


def is_broken_link(path: Path) -> bool:
    """Return whether a path is a symbolic link to a file that does not exist."""
    return os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114 - as in is_file


def why_not_a_file(path: Path, *, missing: str = "is missing") -> str | None:
    """Return why a path is not a regular file, such as "is a pipe, not a file"; None if it is one.

    Args:
        path: the path.
        missing: what to return if there is nothing at the path.
    """
    if is_file(path):
        return None
    if is_broken_link(path):
        return "is a link to a file that does not exist"
    if os.path.isdir(path):  # noqa: PTH112 - as in is_file
        return "is a folder"
    kind = special_kind(path)
    return missing if kind is None else f"is {kind}, not a file"


def existing_name(folder: Path, name: str) -> str:
    r"""Convert a file name from a list to the form in which the file exists in a folder.

    If no file has the listed name, three differences that people cannot see or did not intend are tried:

    * Lists written on Windows may contain ``dog\1.jpg``; on other systems, a backslash can be part of a name.
    * "é" is one character on most systems (NFC), but two in names written by macOS (NFD), and archives and network
      disks carry either form to other systems.
    * Lists that were joined from several files may contain byte order marks.

    Args:
        folder: the folder to which the name is relative.
        name: the listed name.

    Returns:
        The name of the existing file, or ``name`` itself if there is none.
    """
    if os.path.isfile(os.path.join(folder, name)):  # noqa: PTH113, PTH118 - called for every listed image
        return name
    slashed = name.replace("\\", "/")
    unmarked = slashed.replace("\ufeff", "")
    for candidate in dict.fromkeys((slashed, unmarked)):
        if candidate != name and is_file(folder / candidate):
            return candidate
    return name if unmarked.isascii() else _name_in_other_form(folder, unmarked) or name


def _name_in_other_form(folder: Path, name: str) -> str | None:
    """Return the name of the file whose parts have the same characters as ``name``, in either Unicode form."""
    found = ""
    for part in PurePath(name).parts:
        forms = (part, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part))
        candidates = (str(PurePath(found, form)) for form in forms)
        existing = next((candidate for candidate in candidates if _exists(folder / candidate)), None)
        if existing is None:
            return None
        found = existing
    return found if is_file(folder / found) else None


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - as in is_file

"""Checks for paths read from file lists; a path that the system does not allow raises no error."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["existing_name", "is_broken_link", "is_file"]


def is_file(path: Path) -> bool:
    """Return whether a regular file exists at a path."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for names that are too long


def is_broken_link(path: Path) -> bool:
    """Return whether a path is a symbolic link to a file that does not exist."""
    return os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114 - as in is_file


def existing_name(folder: Path, name: str) -> str:
    r"""Convert a file name from a list to the form that this system uses.

    Lists written on Windows may contain ``dog\1.jpg``. On other systems, a backslash can be part of a name, so
    backslashes are replaced with slashes only if the resulting file exists and the file with the original name
    does not.
    """
    slashed = name.replace("\\", "/")
    return slashed if slashed != name and not is_file(folder / name) and is_file(folder / slashed) else name

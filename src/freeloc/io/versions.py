"""Versions of installed packages."""

from __future__ import annotations

from functools import cache
from importlib import metadata

__all__ = ["package_version"]


@cache
def package_version(package: str) -> str:
    """Return the version of an installed package; "not installed" if it has none.

    freeloc itself has none if it runs from a source tree without being installed.
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"

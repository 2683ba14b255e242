"""Locations of the cache folder and of the user's models.

This is the only module that reads freeloc's environment variables: ``FREELOC_CACHE`` and ``FREELOC_MODELS``.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from freeloc.errors import ConfigurationError
from freeloc.io.paths import expand_user, home_folder

__all__ = ["cache_dir", "model_search_path", "user_models_dir"]


def cache_dir() -> Path:
    """Return the cache folder: ``FREELOC_CACHE``, or ``freeloc`` in the system's cache folder for this user.

    On Linux, the latter is ``~/.cache/freeloc``, or ``freeloc`` in ``XDG_CACHE_HOME``. The cache can be deleted at
    any time; its contents are recomputed when needed. The folder may not exist yet.

    Raises:
        ConfigurationError: none of the variables is set, and the user has no home folder.
    """
    named = os.environ.get("FREELOC_CACHE")
    if named:
        return expand_user(named)
    if _has_no_home("XDG_CACHE_HOME"):
        raise ConfigurationError(
            "there is no home folder for the cache: set the environment variable FREELOC_CACHE to a folder, or "
            "specify one",
            parameter="cache_folder",
        )
    return platformdirs.user_cache_path("freeloc", appauthor=False)


def user_models_dir() -> Path | None:
    """Return the folder of the user's models: ``freeloc/models`` in the system's data folder for this user.

    On Linux, this is ``~/.local/share/freeloc/models``, or ``freeloc/models`` in ``XDG_DATA_HOME``. The folder
    may not exist yet.

    Returns:
        The folder; None if ``XDG_DATA_HOME`` is not set, and the user has no home folder.
    """
    if _has_no_home("XDG_DATA_HOME"):
        return None
    return platformdirs.user_data_path("freeloc", appauthor=False) / "models"


def model_search_path() -> tuple[Path, ...]:
    """Return the folders in which the user's models are looked up by name, in order of precedence.

    These are the folders in ``FREELOC_MODELS``, separated as in ``PATH``, followed by `user_models_dir`.
    """
    listed = os.environ.get("FREELOC_MODELS", "").split(os.pathsep)
    folders = [expand_user(folder) for folder in listed if folder.strip()]
    own = user_models_dir()
    return tuple(folders) if own is None else (*folders, own)


def _has_no_home(variable: str) -> bool:
    """Return whether there is no home folder, and ``variable`` does not replace it."""
    return home_folder() is None and not os.environ.get(variable, "").strip()

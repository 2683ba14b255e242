"""Locations of the cache folder and of the user's models.

This is the only module that reads freeloc's environment variables: ``FREELOC_CACHE`` and ``FREELOC_MODELS``.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_dir", "model_search_path", "user_models_dir"]


def cache_dir() -> Path:
    """Return the cache folder: ``FREELOC_CACHE``, or ``freeloc`` in the system's cache folder for this user.

    On Linux, the latter is ``~/.cache/freeloc``, or ``freeloc`` in ``XDG_CACHE_HOME``. The cache can be deleted at
    any time; its contents are recomputed when needed. The folder may not exist yet.
    """
    named = os.environ.get("FREELOC_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("freeloc", appauthor=False)


def user_models_dir() -> Path:
    """Return the folder of the user's models: ``freeloc/models`` in the system's data folder for this user.

    On Linux, this is ``~/.local/share/freeloc/models``, or ``freeloc/models`` in ``XDG_DATA_HOME``. The folder
    may not exist yet.
    """
    return platformdirs.user_data_path("freeloc", appauthor=False) / "models"


def model_search_path() -> tuple[Path, ...]:
    """Return the folders in which the user's models are looked up by name, in order of precedence.

    These are the folders in ``FREELOC_MODELS``, separated as in ``PATH``, followed by `user_models_dir`.
    """
    listed = os.environ.get("FREELOC_MODELS", "").split(os.pathsep)
    # Unlike Path.expanduser, os.path.expanduser raises no error for an unknown user name.
    folders = [Path(os.path.expanduser(folder)) for folder in listed if folder.strip()]  # noqa: PTH111
    return (*folders, user_models_dir())

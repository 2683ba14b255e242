"""Locations of the home folder, of the cache folder, of the user's models and of the system's fonts.

This is the only module that reads environment variables, among them freeloc's own: ``FREELOC_CACHE`` and
``FREELOC_MODELS``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

from freeloc.errors import ConfigurationError

__all__ = [
    "cache_dir",
    "expand_user",
    "font_folders",
    "home_folder",
    "model_search_path",
    "user_models_dir",
]


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


def font_folders() -> tuple[Path, ...]:
    """Return the folders in which the operating system keeps fonts, the user's own first; some may not exist."""
    home = home_folder()
    if sys.platform == "win32":
        user, system = os.environ.get("LOCALAPPDATA"), os.environ.get("WINDIR")
        named = [Path(user) / "Microsoft/Windows/Fonts"] if user else []
        return (*named, Path(system) / "Fonts") if system else tuple(named)
    if sys.platform == "darwin":
        own = () if home is None else (home / "Library/Fonts",)
        return (*own, Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    own_data = os.environ.get("XDG_DATA_HOME") or (None if home is None else home / ".local/share")
    system_data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    data = [own_data, *system_data.split(":")]
    folders = [Path(folder) / "fonts" for folder in data if folder]
    return (*folders, home / ".fonts") if home is not None else tuple(folders)


def home_folder() -> Path | None:
    """Return the user's home folder; None if there is none, as in containers that run under an unknown user id."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises an error if there is no home folder
    return None if home == "~" or os.environ.get("HOME") == "" else Path(home)


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Replace a leading ``~/`` by the user's home folder, and ``~user/`` by that user's.

    A name that only begins with ``~``, such as ``~backup.jpg``, stays as it is, and so does a path whose home
    folder is unknown. A path that consists of ``~`` alone is the home folder, unless a file has that name.
    """
    given = Path(path)
    first = given.parts[0] if given.parts else ""
    if not first.startswith("~") or (len(given.parts) == 1 and (first != "~" or os.path.lexists(given))):
        return given
    if first == "~":
        home = home_folder()
    else:
        try:
            expanded = os.path.expanduser(first)  # noqa: PTH111 - Path.expanduser raises for unknown users
        except ValueError:  # a null character
            return given
        home = None if expanded == first else Path(expanded)
    return given if home is None else home.joinpath(*given.parts[1:])


def _has_no_home(variable: str) -> bool:
    """Return whether there is no home folder, and ``variable`` does not replace it."""
    return home_folder() is None and not os.environ.get(variable, "").strip()

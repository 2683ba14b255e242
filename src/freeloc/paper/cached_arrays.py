"""Arrays cached in a file together with a key that identifies their inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from freeloc.io.atomic import atomic_path

__all__ = ["load_cached_arrays", "save_cached_arrays"]

_KEY_NAME = "made_from"


def save_cached_arrays(path: Path, cache_key: str, **arrays: npt.ArrayLike) -> None:
    """Write named arrays atomically.

    Args:
        path: an ``.npz`` file.
        cache_key: text that identifies everything on which the arrays depend; `load_cached_arrays` must be called
            with the same key.
        **arrays: the arrays; none may be named ``made_from``.

    Raises:
        OutputError: the file cannot be written.
    """
    entries: dict[str, Any] = {_KEY_NAME: np.array(cache_key), **arrays}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **entries)


def load_cached_arrays(path: Path, cache_key: str) -> dict[str, npt.NDArray[Any]] | None:
    """Load arrays written by `save_cached_arrays`.

    Returns:
        The arrays by name; None if the file is missing, damaged or has a different key.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file[_KEY_NAME]) != cache_key:
                return None
            return {name: file[name] for name in file.files if name != _KEY_NAME}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None

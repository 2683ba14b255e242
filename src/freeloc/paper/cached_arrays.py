"""Arrays kept in a file together with what they were made from, so that none is taken for another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from freeloc.io.atomic import atomic_path

__all__ = ["load_cached_arrays", "save_cached_arrays"]

_MADE_FROM = "made_from"


def save_cached_arrays(path: Path, made_from: str, **arrays: npt.ArrayLike) -> None:
    """Write named arrays, as a whole.

    Args:
        path: an ``.npz`` file.
        made_from: tells all that they depend on; `load_cached_arrays` asks for the same.
        **arrays: none of them called ``made_from``.

    Raises:
        FreelocError: the place cannot be written to.
    """
    entries: dict[str, Any] = {_MADE_FROM: np.array(made_from), **arrays}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **entries)


def load_cached_arrays(path: Path, made_from: str) -> dict[str, npt.NDArray[Any]] | None:
    """Load what `save_cached_arrays` wrote.

    Returns:
        The arrays by name; None where the file is missing or damaged, or was made from something else.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept[_MADE_FROM]) != made_from:
                return None
            return {name: kept[name] for name in kept.files if name != _MADE_FROM}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None

"""Arrays cached in a file together with a key that identifies their inputs, and a checksum."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from freeloc._log import get_logger
from freeloc.features.entry_file import DAMAGE
from freeloc.io.atomic import atomic_path
from freeloc.io.interruption import deferred_interrupts
from freeloc.io.limits import check_resources
from freeloc.io.regular_file import open_regular

__all__ = ["load_cached_arrays", "save_cached_arrays"]

_log = get_logger(__name__)

_KEY_NAME, _CHECKSUM_NAME = "made_from", "checksum"


def save_cached_arrays(path: Path, cache_key: str, **arrays: npt.ArrayLike) -> None:
    """Write named arrays atomically.

    Args:
        path: an ``.npz`` file.
        cache_key: text that identifies everything on which the arrays depend; `load_cached_arrays` must be called
            with the same key.
        **arrays: the arrays; none may be named ``made_from`` or ``checksum``.

    Raises:
        OutputError: the file cannot be written.
    """
    entries: dict[str, Any] = {
        _KEY_NAME: np.array(cache_key),
        **{name: np.asarray(array) for name, array in arrays.items()},
    }
    entries[_CHECKSUM_NAME] = np.array(_checksum(entries))
    with atomic_path(path) as temporary, deferred_interrupts(), temporary.open("wb") as file:
        np.savez(file, **entries)


def load_cached_arrays(path: Path, cache_key: str) -> dict[str, npt.NDArray[Any]] | None:
    """Load arrays written by `save_cached_arrays`.

    Returns:
        The arrays by name; None if the file is missing, damaged or has a different key. Damage is logged.
    """
    try:
        with open_regular(path) as stream:
            # Checked before NumPy reads the arrays, because it prints warnings about some damaged headers.
            if ZipFile(stream).testzip() is not None:
                raise BadZipFile("an array does not match its checksum")  # noqa: TRY301 - reported below
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                arrays: dict[str, npt.NDArray[Any]] = {name: file[name] for name in file.files}
        stored = str(arrays.pop(_CHECKSUM_NAME))
        if stored != _checksum(arrays):
            raise ValueError("the checksum does not match")
        found = str(arrays.pop(_KEY_NAME))
    except FileNotFoundError:
        return None
    except (*DAMAGE, OSError, KeyError, BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        check_resources(error)
        _log.warning("%s is damaged (%s), so its values are computed again", path, error)
        return None
    return arrays if found == cache_key else None


def _checksum(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

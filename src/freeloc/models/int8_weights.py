"""The float weights from which an int8 network was created, and whether a model still has them.

An int8 network contains its own weights, so it would go on predicting as before after a model's float weights were
changed. Its description in the header therefore states their digest. Files of earlier versions do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from freeloc.models.file_access import unreadable
from freeloc.models.header import ModelFile
from freeloc.models.stored_tensors import INT8_TENSORS

__all__ = ["FLOAT_WEIGHTS", "float_weights_digest", "has_current_int8", "is_current"]

FLOAT_WEIGHTS: Final = "float_weights_sha256"
"""Key of the digest in the description of an int8 network."""

_TYPES: Final = ("F16", "F32", "F64")
"""Data types of the weights in files with a digest; NumPy does not know some others, such as bfloat16."""


def float_weights_digest(weights: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of float weights, whatever the data type in which they are stored.

    Args:
        weights: the weights of the head, and those of the backbone that training changed, by their names in the
            model file.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        with np.errstate(all="ignore"):  # the weights of a damaged file may exceed float32
            digest.update(weights[name].astype(np.float32).tobytes())
    return digest.hexdigest()


def is_current(int8: Mapping[str, Any] | None, current: Callable[[], str | None]) -> bool:
    """Return whether an int8 network was created from the current float weights; True if that is not known.

    Args:
        int8: the description of the network in the header; None without one.
        current: function that returns the digest of the current float weights.
    """
    return int8 is None or FLOAT_WEIGHTS not in int8 or int8[FLOAT_WEIGHTS] == current()


def has_current_int8(file: ModelFile) -> bool:
    """Return whether a file's int8 network was created from its float weights, without torch.

    The result is True for a file without an int8 network, and for one that does not state the weights.

    Raises:
        ModelError: the file cannot be read, or was replaced after its header was read.
    """

    def current() -> str | None:
        try:
            with safe_open(file.path, framework="np") as tensors:
                names = [name for name in tensors.keys() if name not in INT8_TENSORS]  # noqa: SIM118 - no mapping
                if any(tensors.get_slice(name).get_dtype() not in _TYPES for name in names):
                    return None
                weights = {name: tensors.get_tensor(name) for name in names}
        except (OSError, SafetensorError) as error:
            raise unreadable(file.path, error) from error
        file.check_stamp()
        return float_weights_digest(weights)

    return is_current(file.header.int8, current)

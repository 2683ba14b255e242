"""Names, data types and shapes of the tensors in a model file, and the checksum that covers them and the header.

Everything here runs without torch and without reading the tensors, so that a damaged or contradictory file is
refused even when its network comes from the cache of compiled graphs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from freeloc.nn.head_settings import HeadSettings

__all__ = [
    "BACKBONE_PREFIX",
    "CHECKSUM",
    "INT8_TENSORS",
    "TensorInfo",
    "TensorTable",
    "check_tensors",
    "header_checksum",
]

CHECKSUM: Final = "checksum"
"""Field of the stored header that contains `header_checksum`."""

INT8_TENSORS: Final = ("int8.structure", "int8.weights")
"""Names of the two uint8 vectors that store the int8 network."""

BACKBONE_PREFIX: Final = "backbone."
"""Prefix of the names of backbone weights in the file."""

_FLOATS: Final = ("F16", "BF16", "F32", "F64")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Data type and shape of a stored tensor.

    Attributes:
        dtype: the data type as safetensors names it, such as "F32".
        shape: the length of each axis.
    """

    dtype: str
    shape: tuple[int, ...]


TensorTable: TypeAlias = Mapping[str, TensorInfo]
"""The tensors of a file by name."""


def header_checksum(values: Mapping[str, Any], tensors: TensorTable) -> str:
    """Return the SHA-256 of a header and of the names, data types and shapes of the file's tensors.

    The header contains a hash of the tensors' values, so the checksum covers the whole content of the file. It can
    nevertheless be checked without reading the tensors.

    Args:
        values: the header as JSON values; its own checksum is ignored.
        tensors: the tensors of the file.
    """
    content = {
        "header": {key: value for key, value in values.items() if key != CHECKSUM},
        "tensors": {name: [info.dtype, *info.shape] for name, info in tensors.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_tensors(tensors: TensorTable, head: HeadSettings, *, backbone: bool, int8: bool) -> None:
    """Check that a file has exactly the tensors that its header describes.

    Args:
        tensors: the tensors of the file.
        head: the shape of the head.
        backbone: whether the header describes changed backbone weights.
        int8: whether the header describes an int8 network.

    Raises:
        ValueError: a tensor is missing or unexpected, or has the wrong shape or data type.
    """
    expected = _head_shapes(head)
    for name, shape in expected.items():
        if name not in tensors:
            raise ValueError(f"the tensor {name} is missing")
        found = tensors[name]
        if found.shape != shape:
            raise ValueError(
                f"the tensor {name} has the shape {_times(found.shape)}, but the header requires {_times(shape)}"
            )
        if found.dtype not in _FLOATS:
            raise ValueError(f"the tensor {name} has the data type {found.dtype}")
    for name in INT8_TENSORS:
        if (name in tensors) != int8:
            raise ValueError("its int8 network and its header must be present together")
        if int8 and (tensors[name].dtype != "U8" or len(tensors[name].shape) != 1):
            raise ValueError(f"the tensor {name} is not a sequence of bytes")
    others = [name for name in tensors if name not in expected and name not in INT8_TENSORS]
    unknown = [name for name in others if not name.startswith(BACKBONE_PREFIX)]
    if unknown:
        raise ValueError(f"the tensor {unknown[0][:100]} does not belong to a model")
    if bool(others) != backbone:
        raise ValueError("changed backbone weights and backbone_base must be present together")


def _head_shapes(head: HeadSettings) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of a `freeloc.nn.head.AdaptationHead`, by name."""
    if not head.hidden:
        return {"fcb.weight": (head.classes, head.width), "fcb.bias": (head.classes,)}
    return {
        "fca.weight": (head.hidden, head.width),
        "fca.bias": (head.hidden,),
        "fcb.weight": (head.classes, head.hidden),
        "fcb.bias": (head.classes,),
    }


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "()"

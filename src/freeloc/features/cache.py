"""The feature cache: one file per image and scale.

An entry is one ``.npy`` file, whose path identifies everything that its values depend on: backbone and weights,
runtime, precision, padding, format, the image's content, and the scale. Datasets and runs can therefore share the
cache, and any part of it can be deleted. Writing can be interrupted at any time, because a file is either complete
or absent.

There are two formats:

* **float16**: (rows, columns, channels) values. Entries are memory-mapped, so only the values that are used are
  read from disk, and nothing is copied before it is needed.
* **int8**: half the size. Each channel of an entry has its own factor, its largest absolute value divided by 127.
  Values and factors are stored in one record. For the default backbone, the root mean square error is 0.6% of the
  root mean square of the features; in the scores of a trained head, it is 0.5% of their spread. With one factor
  per cell, these errors would be 0.7% and 0.6%.
"""

from __future__ import annotations

import io
import math
import mmap
import struct
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._literals import CacheFormat
from freeloc.errors import MalformedFileError
from freeloc.features.arrays import FeatureMap
from freeloc.geometry.grid import Padding
from freeloc.io.atomic import atomic_path
from freeloc.io.folders import cache_dir
from freeloc.io.limits import check_resources
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network

__all__ = ["CacheFormat", "FeatureCache", "decode", "encode", "entry_bytes"]

_VERSION = 2
"""Version of the feature computation; since version 2, large JPEG files are decoded at a reduced size."""

_PREFIX = struct.Struct("<6sBBH")
"""Start of a ``.npy`` file of version 1.0: magic string, version, and length of the header after it."""

_READ_ERRORS = (
    *(OSError, ValueError, EOFError, TypeError, SyntaxError, OverflowError),
    *(struct.error, tokenize.TokenError),
)
"""Exceptions raised when a missing or damaged entry is read."""


def encode(values: FeatureMap, cache_format: CacheFormat) -> npt.NDArray[Any]:
    """Convert a feature map to the array that is stored.

    Returns:
        The features as float16, or a zero-dimensional record with the fields ``values``, (rows, columns, channels)
        int8, and ``scales``, (channels,) float32.
    """
    if cache_format == "float16":
        return values.astype(np.float16, copy=False)
    numbers = values.astype(np.float32)
    scales = np.abs(numbers).max(axis=(0, 1), initial=0) / 127
    record = np.empty((), _record_type(values.shape))
    # A channel that is zero everywhere stays zero, whatever the divisor.
    record["values"] = np.rint(numbers / np.where(scales > 0, scales, 1))
    record["scales"] = scales
    return record


def decode(entry: npt.NDArray[Any]) -> FeatureMap:
    """Return the feature map stored in an array from `encode`: float16, or float32 if the array is int8.

    Raises:
        ValueError: the array does not have the form that `encode` returns.
    """
    if entry.dtype == np.float16 and entry.ndim == 3:
        return entry
    fields: Mapping[str, Any] = entry.dtype.fields or {}
    shape = fields["values"][0].shape if "values" in fields else ()
    if len(shape) != 3 or entry.shape != () or entry.dtype != _record_type(shape):
        raise ValueError(f"{entry.dtype} {entry.shape} is not a feature map")
    values: npt.NDArray[np.float32] = entry["values"] * entry["scales"]
    return values


def entry_bytes(cells: int, channels: int, cache_format: CacheFormat) -> int:
    """Return the size of an entry in bytes, without the file's header."""
    return cells * channels * 2 if cache_format == "float16" else cells * channels + channels * 4


def _record_type(shape: tuple[int, ...]) -> np.dtype[np.void]:
    return np.dtype([("values", "i1", shape), ("scales", "<f4", shape[-1:])])


@dataclass(frozen=True)
class FeatureCache:
    """A folder of features that were all computed in the same way.

    Attributes:
        folder: the folder that contains the entries.
        format: storage format of the values.
    """

    folder: Path
    format: CacheFormat = "float16"

    @classmethod
    def open(
        cls,
        backbone: Backbone,
        network: Network,
        padding: Padding,
        parent: Path | None = None,
        cache_format: CacheFormat = "float16",
    ) -> FeatureCache:
        """Return the cache of one backbone, runtime, precision, padding and format.

        Args:
            backbone: the backbone that computes the features.
            network: the compiled backbone.
            padding: how canvases are padded.
            parent: parent folder of all caches; None for the user's cache folder.
            cache_format: storage format of the values.
        """
        backbone_name = backbone.name.replace(":", "-").replace("/", "-")
        name = (
            f"{backbone_name}-{backbone.fingerprint[:16]}-{network.runtime}-{network.precision}-{padding}"
            f"-v{_VERSION}"
        )
        if cache_format != "float16":
            name += f"-{cache_format}"
        return cls((parent or cache_dir() / "features") / name, cache_format)

    def entry_path(self, content_hash: str, scale: float) -> Path:
        """Return the path of the entry for one image, identified by its content hash, at one scale."""
        name = f"{scale:.4f}"
        if float(name) != scale:  # 1.00099 and 1.00101 yield canvases of 500 and 501 pixels
            name = repr(float(scale))
        return self.folder / content_hash[:2] / f"{content_hash}-{name}.npy"

    def entry_names(self) -> set[str]:
        """Return the file names of all entries; one listing is much faster than testing each file."""
        return {path.name for path in self.folder.glob("*/*.npy")}

    def load(self, content_hash: str, scale: float) -> FeatureMap:
        """Load an entry; float16 entries are memory-mapped and read-only.

        Raises:
            MalformedFileError: the entry is missing or damaged.
            ResourceError: too many files are open, or there is not enough memory.
        """
        path = self.entry_path(content_hash, scale)
        try:
            return decode(_map_array(path))
        except _READ_ERRORS as error:
            check_resources(error)
            raise MalformedFileError(
                path, None, "the cached features are missing or damaged; delete the file and run again"
            ) from error

    def store(self, content_hash: str, scale: float, values: FeatureMap) -> None:
        """Write an entry atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        path = self.entry_path(content_hash, scale)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, encode(values, self.format), allow_pickle=False)


def _map_array(path: Path) -> npt.NDArray[Any]:
    """Memory-map the array in a ``.npy`` file; ``np.load`` takes five times as long."""
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    magic, major, minor, length = _PREFIX.unpack_from(memory)
    if (magic, major, minor) != (b"\x93NUMPY", 1, 0):
        raise ValueError(
            f"the file is not a .npy file of version 1.0: it starts with {magic!r} {major}.{minor}"
        )
    start = _PREFIX.size + length
    shape, dtype = _parse_header(memory[_PREFIX.size - 2 : start])
    return np.frombuffer(memory, dtype, math.prod(shape), start).reshape(shape)


@lru_cache(maxsize=4096)
def _parse_header(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and data type in a ``.npy`` header; ``data`` starts with the two bytes of its length.

    The result is cached, because the maps of a dataset have few distinct shapes.
    """
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(data))
    if fortran_order or dtype.hasobject:
        raise ValueError("the array has an unsupported layout or type")
    return shape, dtype

"""The files of the feature cache.

An entry is one ``.npy`` file whose name says everything it depends on: backbone and weights, runtime, arithmetic,
padding, format, the image's content, the scale. So a cache can be interrupted at any time (a file is whole
or not there), shared between data sets and runs, and deleted in part or as a whole.

There are two formats:

* **float16**: (rows, columns, channels) as they are. Entries are mapped, not read: only what is looked at comes
  off the disk, and nothing is copied before it is needed.
* **int8**: half of that. Every channel of an entry has a scale of its own, its largest absolute value over 127,
  beside its values in one record. On features of the default backbone the root mean square error is 0.6% of the
  features' and 0.5% of the spread of a trained head's scores; one scale per cell would give 0.7% and 0.6%.
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
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from freeloc._choices import CacheFormat
from freeloc.errors import FreelocError
from freeloc.geometry.grid import Padding
from freeloc.io.atomic import atomic_path
from freeloc.io.folders import cache_dir
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network

__all__ = ["CacheFormat", "Cells", "FeatureCache", "decode", "encode", "entry_bytes"]

_VERSION = 2
"""Counts how features are made: 2 decodes large JPEG files at a reduced size."""

_PREFIX = struct.Struct("<6sBBH")
"""Beginning of a ``.npy`` file of version 1.0: magic, version, length of the header that follows."""

_DAMAGE = (
    *(OSError, ValueError, EOFError, TypeError, SyntaxError, OverflowError),
    *(struct.error, tokenize.TokenError),
)
"""What reading a file raises that is no entry."""

Cells: TypeAlias = npt.NDArray[np.float16] | npt.NDArray[np.float32]
"""Features: float16, or float32 where they come out of int8 files: NumPy takes ten times as long to turn them into
float16 as to read them."""


def encode(values: Cells, form: CacheFormat) -> npt.NDArray[Any]:
    """What is written of (rows, columns, channels) features.

    Returns:
        The features in float16, or a record () of ``values`` (rows, columns, channels) int8 and ``scales``
        (channels,) float32.
    """
    if form == "float16":
        return values.astype(np.float16, copy=False)
    numbers = values.astype(np.float32)
    scales = np.abs(numbers).max(axis=(0, 1), initial=0) / 127
    record = np.empty((), _record(values.shape))
    # A channel that is zero everywhere stays zero, whatever it is divided by.
    record["values"] = np.rint(numbers / np.where(scales > 0, scales, 1))
    record["scales"] = scales
    return record


def decode(entry: npt.NDArray[Any]) -> Cells:
    """(rows, columns, channels) features from what `encode` gave: float16, or float32 from int8.

    Raises:
        ValueError: it gave no such thing.
    """
    if entry.dtype == np.float16 and entry.ndim == 3:
        return entry
    fields: Mapping[str, Any] = entry.dtype.fields or {}
    shape = fields["values"][0].shape if "values" in fields else ()
    if len(shape) != 3 or entry.shape != () or entry.dtype != _record(shape):
        raise ValueError(f"{entry.dtype} {entry.shape} are no features")
    values: npt.NDArray[np.float32] = entry["values"] * entry["scales"]
    return values


def entry_bytes(places: int, channels: int, form: CacheFormat) -> int:
    """Bytes of the values of one entry of ``places`` cells, without the file's header."""
    return places * channels * 2 if form == "float16" else places * channels + channels * 4


def _record(shape: tuple[int, ...]) -> np.dtype[np.void]:
    return np.dtype([("values", "i1", shape), ("scales", "<f4", shape[-1:])])


@dataclass(frozen=True)
class FeatureCache:
    """A folder of features made by one backbone in one way.

    Attributes:
        folder: where the entries lie.
        form: how their values are written.
    """

    folder: Path
    form: CacheFormat = "float16"

    @classmethod
    def open(
        cls,
        backbone: Backbone,
        network: Network,
        padding: Padding,
        root: Path | None = None,
        form: CacheFormat = "float16",
    ) -> FeatureCache:
        """The cache of one backbone, runtime, arithmetic, padding and format.

        Args:
            backbone: the backbone.
            network: the same, compiled.
            padding: how canvases are padded.
            root: folder of caches; default: in the user's cache folder.
            form: how values are written.
        """
        name = backbone.name.replace(":", "-").replace("/", "-")
        kind = (
            f"{name}-{backbone.fingerprint[:16]}-{network.runtime}-{network.precision}-{padding}-v{_VERSION}"
        )
        if form != "float16":
            kind += f"-{form}"
        return cls((root or cache_dir() / "features") / kind, form)

    def entry(self, content: str, scale: float) -> Path:
        """The file of one image (by the hash of its content) at one scale."""
        name = f"{scale:.4f}"
        if float(name) != scale:  # 1.00099 and 1.00101 give canvases of 500 and 501 pixels
            name = repr(float(scale))
        return self.folder / content[:2] / f"{content}-{name}.npy"

    def load(self, content: str, scale: float) -> Cells:
        """(rows, columns, channels) features; float16 is mapped, and not to be written to.

        Raises:
            FreelocError: the entry is damaged or gone.
        """
        path = self.entry(content, scale)
        try:
            return decode(_mapped(path))
        except _DAMAGE as error:
            raise FreelocError(
                f"feature file {path} is missing or damaged: delete it and run again"
            ) from error

    def store(self, content: str, scale: float, values: Cells) -> None:
        """Keep one entry; a reader sees all of it or nothing."""
        with atomic_path(self.entry(content, scale)) as temporary, temporary.open("wb") as file:
            np.save(file, encode(values, self.form), allow_pickle=False)

    def present(self) -> set[str]:
        """Names of all entries there are; one listing is far quicker than asking for each."""
        return {path.name for path in self.folder.glob("*/*.npy")}


def _mapped(path: Path) -> npt.NDArray[Any]:
    """The array in a ``.npy`` file, mapped; ``np.load`` does the same in five times the time."""
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    magic, major, minor, length = _PREFIX.unpack_from(memory)
    if (magic, major, minor) != (b"\x93NUMPY", 1, 0):
        raise ValueError(f"no .npy file of version 1.0 but {magic!r} {major}.{minor}")
    start = _PREFIX.size + length
    shape, kind = _header(memory[_PREFIX.size - 2 : start])
    return np.frombuffer(memory, kind, math.prod(shape), start).reshape(shape)


@lru_cache(maxsize=4096)
def _header(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type from a header and the two bytes of its length before it; images share a few sizes."""
    shape, columns_first, kind = np.lib.format.read_array_header_1_0(io.BytesIO(data))
    if columns_first or kind.hasobject:
        raise ValueError("an array of another kind")
    return shape, kind

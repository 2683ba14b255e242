"""The feature cache: one file per image and scale.

An entry is one ``.npy`` file, whose path identifies everything that its values depend on: backbone and weights,
runtime, precision, padding, format, the image's content, and the scale. Datasets and runs can therefore share the
cache, and any part of it can be deleted. Writing can be interrupted at any time, because a file is either complete
or absent. A checksum shows whether an entry is damaged or does not belong where it is
(`freeloc.features.entry_file`).

There are two formats:

* **float16**: (rows, columns, channels) values. Entries are memory-mapped, so only the values that are used are
  read from disk, and nothing is copied before it is needed.
* **int8**: half the size. Each channel of an entry has its own factor, its largest absolute value divided by 127.
  Values and factors are stored in one record. For the default backbone, the root mean square error is 0.6% of the
  root mean square of the features; in the scores of a trained head, it is 0.5% of their spread. With one factor
  per cell, these errors would be 0.7% and 0.6%.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._literals import CacheFormat
from freeloc.errors import DatasetError, MalformedFileError
from freeloc.features.arrays import FeatureMap
from freeloc.features.entry_file import DAMAGE, map_entry, write_entry
from freeloc.geometry.pyramid import Pyramid
from freeloc.io.folders import cache_dir, expand_user
from freeloc.io.limits import check_resources
from freeloc.io.temporary_files import delete_abandoned_files
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network

__all__ = ["CacheFormat", "FeatureCache", "decode", "encode"]

_VERSION = 3
"""Version of the entries. Since version 2, large JPEG files are decoded at a reduced size; since version 3,
entries have a checksum."""


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
        pyramid: Pyramid,
        parent: Path | None = None,
        cache_format: CacheFormat = "float16",
    ) -> FeatureCache:
        """Return the cache of one backbone, runtime, precision, kind of canvas and format.

        Args:
            backbone: the backbone that computes the features.
            network: the compiled backbone.
            pyramid: how canvases are made; its scales do not matter.
            parent: parent folder of all caches; None for the user's cache folder.
            cache_format: storage format of the values.
        """
        backbone_name = backbone.name.replace(":", "-").replace("/", "-")
        name = (
            f"{backbone_name}-{backbone.fingerprint[:16]}-{network.runtime}-{network.precision}-{pyramid.key}"
            f"-v{_VERSION}"
        )
        if cache_format != "float16":
            name += f"-{cache_format}"
        folder = cache_dir() / "features" if parent is None else expand_user(parent)
        return cls(folder / name, cache_format)

    def entry_path(self, content_hash: str, scale: float) -> Path:
        """Return the path of the entry for one image, identified by its content hash, at one scale."""
        name = f"{scale:.4f}"
        if float(name) != scale:  # 1.00099 and 1.00101 yield canvases of 500 and 501 pixels
            name = repr(float(scale))
        return self.folder / content_hash[:2] / f"{content_hash}-{name}.npy"

    def entry_names(self) -> set[str]:
        """Return the file names of all entries; one listing is much faster than testing each file.

        Temporary files of killed processes are deleted.
        """
        for folder in self.folder.glob("*/"):
            delete_abandoned_files(folder)
        return {path.name for path in self.folder.glob("*/*.npy")}

    def load(self, content_hash: str, scale: float) -> FeatureMap:
        """Load an entry; float16 entries are memory-mapped and read-only.

        Raises:
            MalformedFileError: the entry is missing or damaged.
            ResourceError: too many files are open, or there is not enough memory.
            DatasetError: the entry cannot be opened for another reason.
        """
        return self.load_checked(content_hash, scale)[0]

    def load_checked(self, content_hash: str, scale: float, checked: int = 0) -> tuple[FeatureMap, int]:
        """Load an entry, and check it unless it was checked before.

        Args:
            content_hash: content hash of the image.
            scale: the scale.
            checked: the number that an earlier call returned for this entry; 0 if there was none.

        Returns:
            The features, and a number that identifies this version of the file.

        Raises:
            MalformedFileError: the entry is missing or damaged.
            ResourceError: too many files are open, or there is not enough memory.
            DatasetError: the entry cannot be opened for another reason.
        """
        path = self.entry_path(content_hash, scale)
        try:
            entry, stamp = map_entry(path, self._identity(path), checked)
            return decode(entry), stamp
        except (FileNotFoundError, *DAMAGE) as error:
            raise MalformedFileError(
                path, None, "the cached features are missing or damaged; delete the file and run again"
            ) from error
        except OSError as error:
            check_resources(error)
            raise DatasetError(
                f"cannot read the cached features {path}: {error.strerror or error}; check its permissions and "
                "the disk",
                path=path,
            ) from error

    def store(self, content_hash: str, scale: float, values: FeatureMap) -> FeatureMap:
        """Write an entry atomically, and return the features as they will be loaded.

        Raises:
            OutputError: the file cannot be written.
        """
        path = self.entry_path(content_hash, scale)
        entry = encode(values, self.format)
        write_entry(path, entry, self._identity(path))
        return decode(entry)

    def _identity(self, path: Path) -> str:
        """Return the path of an entry within the folder of all caches, which identifies what was computed how."""
        return f"{self.folder.name}/{path.name}"

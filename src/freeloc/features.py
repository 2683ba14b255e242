"""Trunk features of photographs: kept on disk, or made on the fly.

The trunk is frozen, so a photograph's features at one scale never change: they are made once and kept. A cache
entry is one ``.npy`` file, (valid rows, valid columns, channels) float16, whose name says everything it depends
on: trunk and weights, arithmetic, padding, the photograph's content, the scale. So a cache can be interrupted at
any time (a file is whole or not there), shared between data sets and runs, and deleted in part or as a whole.
"""

from __future__ import annotations

import hashlib
import shutil
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from freeloc.atomic import replacing
from freeloc.cachedir import cache_root
from freeloc.canvas import fill_canvas
from freeloc.errors import FreelocError
from freeloc.geometry import Grid, Padding, Pyramid, Size
from freeloc.overlap import ahead
from freeloc.photographs import load_photograph, photograph_size
from freeloc.progress import say, track
from freeloc.runtime import Network
from freeloc.trunks.base import Trunk

__all__ = [
    "CachedFeatures",
    "Cells",
    "FeatureCache",
    "FeatureSource",
    "LiveFeatures",
    "canvases",
    "extract",
    "valid_map",
]

_FORMAT = 1

Cells = npt.NDArray[np.float16]


class FeatureSource(Protocol):
    """Where training gets the features of photographs from."""

    @property
    def scales(self) -> tuple[float, ...] | None:
        """The scales that can be asked for; None means any."""
        ...

    def __len__(self) -> int:
        """Number of photographs."""
        ...

    def cells(self, index: int, scale: float) -> Cells:
        """(M, channels) float16 features of the valid cells of one photograph, row by row."""
        ...


def valid_map(features: npt.NDArray[np.float32], grid: Grid) -> npt.NDArray[np.float32]:
    """(channels, rows, cols) cut down to the cells that look at the photograph."""
    return features[:, : grid.valid_rows, : grid.valid_cols]


def _as_cells(features: npt.NDArray[np.float32], grid: Grid) -> Cells:
    """(valid rows, valid columns, channels) float16, one cell's values side by side."""
    return np.ascontiguousarray(valid_map(features, grid).transpose(1, 2, 0), dtype=np.float16)


@dataclass(frozen=True)
class FeatureCache:
    """A folder of features made by one trunk in one way.

    Attributes:
        folder: where the entries lie.
    """

    folder: Path

    @classmethod
    def open(cls, trunk: Trunk, network: Network, padding: Padding, root: Path | None = None) -> FeatureCache:
        """The cache of one trunk, arithmetic and padding below ``root`` (default: the user's cache folder)."""
        name = trunk.name.replace(":", "-").replace("/", "-")
        kind = f"{name}-{trunk.fingerprint[:16]}-{network.precision}-{padding}-v{_FORMAT}"
        return cls((root or cache_root() / "features") / kind)

    def entry(self, content: str, scale: float) -> Path:
        """The file of one photograph (by the hash of its content) at one scale."""
        name = f"{scale:.4f}"
        if float(name) != scale:  # 1.00099 and 1.00101 give canvases of 500 and 501 pixels
            name = repr(float(scale))
        return self.folder / content[:2] / f"{content}-{name}.npy"

    def load(self, content: str, scale: float) -> Cells:
        """(valid rows, valid columns, channels) float16, read without a copy where the system allows.

        Raises:
            FreelocError: the entry is damaged or gone.
        """
        path = self.entry(content, scale)
        problem = FreelocError(f"feature file {path} is missing or damaged: delete it and run again")
        try:
            values: Cells = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, tokenize.TokenError) as error:
            raise problem from error
        if values.dtype != np.float16 or values.ndim != 3:
            raise problem
        return values

    def store(self, content: str, scale: float, values: Cells) -> None:
        """Keep one entry; a reader sees all of it or nothing."""
        with replacing(self.entry(content, scale)) as temporary, temporary.open("wb") as file:
            np.save(file, values, allow_pickle=False)

    def present(self) -> set[str]:
        """Names of all entries there are; one listing is far quicker than asking for each."""
        return {path.name for path in self.folder.glob("*/*.npy")}


@dataclass(frozen=True, eq=False)
class CachedFeatures:
    """Features of a list of photographs, read from a cache.

    Attributes:
        cache: where they lie.
        contents: content hash of each photograph, in order.
        scales: the scales that were extracted.
    """

    cache: FeatureCache
    contents: tuple[str, ...]
    scales: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.contents)

    def cells(self, index: int, scale: float) -> Cells:
        """(M, channels) float16 features of the valid cells of one photograph, row by row."""
        values = self.cache.load(self.contents[index], scale)
        return values.reshape(-1, values.shape[-1])


class LiveFeatures:
    """Features made when they are asked for: for data too large to keep, and for scales drawn freely.

    Args:
        paths: the photographs.
        trunk: the frozen trunk.
        network: the same trunk, compiled.
        padding: how canvases are padded.
    """

    scales: tuple[float, ...] | None = None

    def __init__(self, paths: Sequence[Path], trunk: Trunk, network: Network, padding: Padding) -> None:
        self._paths = tuple(paths)
        self._trunk = trunk
        self._network = network
        self._padding: Padding = padding

    def __len__(self) -> int:
        return len(self._paths)

    def cells(self, index: int, scale: float) -> Cells:
        """(M, channels) float16 features of the valid cells of one photograph, row by row."""
        image = load_photograph(self._paths[index])
        ((grid, canvas),) = canvases(image, self._trunk, Pyramid((scale,), self._padding))
        values = _as_cells(self._network(canvas), grid)
        return values.reshape(-1, values.shape[-1])


def canvases(
    image: npt.NDArray[np.uint8], trunk: Trunk, pyramid: Pyramid
) -> list[tuple[Grid, npt.NDArray[np.uint8]]]:
    """One photograph on a canvas per scale.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        trunk: says how canvases are laid out and filled.
        pyramid: the scales.
    """
    size = Size(image.shape[1], image.shape[0])
    return [(grid, fill_canvas(image, grid, trunk.fill)) for grid in pyramid.grids(size, trunk.layout)]


def extract(
    paths: Sequence[Path],
    trunk: Trunk,
    network: Network,
    pyramid: Pyramid,
    *,
    root: Path | None = None,
    quiet: bool = False,
) -> CachedFeatures:
    """Make the features of photographs at all scales, but for those already in the cache.

    All cores are kept busy. Interrupted, it goes on where it stopped; when everything is there already, it only
    hashes the photographs.

    Args:
        paths: the photographs.
        trunk: the frozen trunk.
        network: the same trunk, compiled.
        pyramid: scales and padding.
        root: folder of caches; default the user's.
        quiet: show no progress.

    Raises:
        FreelocError: a photograph cannot be read, or the disk has no room for the features.
    """
    cache = FeatureCache.open(trunk, network, pyramid.padding, root)
    contents = tuple(_content(path) for path in paths)
    there = cache.present()
    missing: dict[str, tuple[Path, tuple[float, ...]]] = {}
    for path, content in zip(paths, contents, strict=True):
        scales = tuple(scale for scale in pyramid.scales if cache.entry(content, scale).name not in there)
        if scales:
            missing[content] = (path, scales)
    if missing:
        _check_room(list(missing.values()), trunk, pyramid, cache.folder, quiet=quiet)
        _fill(cache, missing, trunk, network, pyramid.padding, quiet=quiet)
    return CachedFeatures(cache, contents, pyramid.scales)


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError as error:
        raise FreelocError(f"photograph {path} cannot be read: {error.strerror or error}") from error


def _check_room(
    missing: Sequence[tuple[Path, tuple[float, ...]]],
    trunk: Trunk,
    pyramid: Pyramid,
    folder: Path,
    *,
    quiet: bool,
) -> None:
    needed = 0
    for path, scales in missing:
        for grid in Pyramid(scales, pyramid.padding).grids(photograph_size(path), trunk.layout):
            needed += grid.valid_rows * grid.valid_cols * trunk.channels * 2
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise FreelocError(
            f"the feature cache needs {needed / 1e9:.1f} GB but {existing} has {free / 1e9:.1f} GB free: "
            "choose another place with --cache or train with --no-cache"
        )
    if not quiet:
        say(f"features of {len(missing)} photographs take {needed / 1e9:.2f} GB in {folder}")


def _fill(
    cache: FeatureCache,
    missing: dict[str, tuple[Path, tuple[float, ...]]],
    trunk: Trunk,
    network: Network,
    padding: Padding,
    *,
    quiet: bool,
) -> None:
    def make(item: tuple[str, tuple[Path, tuple[float, ...]]]) -> None:
        content, (path, scales) = item
        for grid, canvas in canvases(load_photograph(path), trunk, Pyramid(scales, padding)):
            cache.store(content, grid.scale, _as_cells(network(canvas), grid))

    # Each thread takes a photograph all the way, from file to cache: with a stream of its own in the runtime,
    # no core waits for another.
    made = ahead(make, missing.items(), threads=network.threads)
    for _ in track(made, "extracting features", len(missing), quiet=quiet):
        pass

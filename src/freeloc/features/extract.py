"""Backbone features of images: kept on disk, or made on the fly.

The backbone is frozen, so an image's features at one scale never change: they are made once and kept, in the
files of `freeloc.features.cache`. Of a whole backbone only the valid cells are kept; of the lower part of
one, whose
upper part is being trained, the map with its padding (`Backbone.cached_size`).
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from freeloc._typing import Uint8Array
from freeloc.errors import FreelocError
from freeloc.features.batching import in_batches, in_groups
from freeloc.features.cache import CacheFormat, Cells, FeatureCache, entry_bytes
from freeloc.geometry.grid import Grid, Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import ImageSource, read_image_size
from freeloc.io.content_hash import hash_file
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import print_status, track
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network

__all__ = [
    "CachedFeatures",
    "Cells",
    "FeatureCache",
    "FeatureSource",
    "LiveFeatures",
    "MapSource",
    "canvases",
    "content_hashes",
    "extract",
]


_DECODED_FOR = 1.4
"""Scales up to this one share a decoding; see `canvases`."""


class FeatureSource(Protocol):
    """Where training gets the features of images from."""

    @property
    def scales(self) -> tuple[float, ...] | None:
        """The scales that can be asked for; None means any."""
        ...

    @property
    def threads(self) -> int:
        """How many threads should ask at once to keep the machine busy."""
        ...

    @property
    def batch(self) -> int:
        """How many images it likes to be asked for at once, see `together`; 1 where that gains nothing."""
        ...

    def __len__(self) -> int:
        """Number of images."""
        ...

    def cells(self, index: int, scale: float) -> Cells:
        """(M, channels) features of the valid cells of one image, row by row."""
        ...

    def together(self, indices: Sequence[int], scale: float) -> list[Cells]:
        """What `cells` gives for each of several images."""
        ...


class MapSource(Protocol):
    """Where the training of a backbone's upper part gets the maps of its lower part from."""

    @property
    def scales(self) -> tuple[float, ...] | None:
        """The scales that can be asked for; None means any."""
        ...

    @property
    def threads(self) -> int:
        """How many threads should ask at once to keep the machine busy."""
        ...

    @property
    def batch(self) -> int:
        """How many images it likes to be asked for at once, see `maps`; 1 where that gains nothing."""
        ...

    def __len__(self) -> int:
        """Number of images."""
        ...

    def map(self, index: int, scale: float) -> Cells:
        """(rows, columns, channels) map of one image."""
        ...

    def maps(self, indices: Sequence[int], scale: float) -> list[Cells]:
        """What `map` gives for each of several images."""
        ...


def _kept(features: npt.NDArray[np.float32], size: tuple[int, int]) -> Cells:
    """(rows, columns, channels) float16 of the map's top left, the values of one place side by side."""
    rows, cols = size
    return np.ascontiguousarray(features[:, :rows, :cols].transpose(1, 2, 0), dtype=np.float16)


@dataclass(frozen=True, eq=False)
class CachedFeatures:
    """Features of a list of images, read from a cache.

    Attributes:
        cache: where they lie.
        contents: content hash of each image, in order.
        scales: the scales that were extracted.
    """

    cache: FeatureCache
    contents: tuple[str, ...]
    scales: tuple[float, ...]

    @property
    def threads(self) -> int:
        """How many threads should ask at once: reading takes next to no time."""
        return 2

    @property
    def batch(self) -> int:
        """How many images it likes to be asked for at once: each lies in a file of its own."""
        return 1

    def __len__(self) -> int:
        return len(self.contents)

    def cells(self, index: int, scale: float) -> Cells:
        """(M, channels) features of the valid cells of one image, row by row."""
        return _row_by_row(self.map(index, scale))

    def map(self, index: int, scale: float) -> Cells:
        """(rows, columns, channels) map of one image, as far as it is kept."""
        return self.cache.load(self.contents[index], scale)

    def together(self, indices: Sequence[int], scale: float) -> list[Cells]:
        """What `cells` gives for each of several images."""
        return [self.cells(index, scale) for index in indices]

    def maps(self, indices: Sequence[int], scale: float) -> list[Cells]:
        """What `map` gives for each of several images."""
        return [self.map(index, scale) for index in indices]


class LiveFeatures:
    """Features made when they are asked for: for data too large to keep, and for scales drawn freely.

    Args:
        paths: the images.
        backbone: the frozen backbone.
        network: the same backbone, compiled.
        padding: how canvases are padded.
    """

    scales: tuple[float, ...] | None = None

    def __init__(self, paths: Sequence[Path], backbone: Backbone, network: Network, padding: Padding) -> None:
        self._paths = tuple(paths)
        self._backbone = backbone
        self._network = network
        self._padding: Padding = padding

    @property
    def threads(self) -> int:
        """How many threads should ask at once to keep the machine busy."""
        return self._network.threads

    @property
    def batch(self) -> int:
        """How many images it likes to be asked for at once, see `together`."""
        return self._network.batch

    def __len__(self) -> int:
        return len(self._paths)

    def cells(self, index: int, scale: float) -> Cells:
        """(M, channels) features of the valid cells of one image, row by row."""
        return _row_by_row(self.map(index, scale))

    def map(self, index: int, scale: float) -> Cells:
        """(rows, columns, channels) map of one image, as far as it would be kept."""
        grid, canvas = self._laid_out(index, scale)
        return _kept(self._network(canvas), self._backbone.cached_size(grid))

    def together(self, indices: Sequence[int], scale: float) -> list[Cells]:
        """What `cells` gives for each of several images."""
        return [_row_by_row(values) for values in self.maps(indices, scale)]

    def maps(self, indices: Sequence[int], scale: float) -> list[Cells]:
        """What `map` gives for each of several images: decoded in threads, canvases of one shape together.

        Which canvases go together follows from the images alone, so the same ones give the same features.
        """
        laid = list(prefetch(lambda index: self._laid_out(index, scale), indices, threads=self.threads))
        made = in_groups(partial(_run_together, self._backbone, self._network), laid, key=_shape)
        return [cells for _, cells in made]

    def _laid_out(self, index: int, scale: float) -> tuple[Grid, Uint8Array]:
        ((grid, canvas),) = canvases(self._paths[index], self._backbone, Pyramid((scale,), self._padding))
        return grid, canvas


def _row_by_row(values: Cells) -> Cells:
    return values.reshape(-1, values.shape[-1])


def canvases(source: ImageSource, backbone: Backbone, pyramid: Pyramid) -> Iterator[tuple[Grid, Uint8Array]]:
    """One image on a canvas per scale, as training sees it.

    A canvas depends on the image and its own scale, and not on which other scales are made beside it, as
    an entry of the cache must: up to scale 1.4, the paper's largest, all are laid out from one decoding, and
    beyond it each has its own.

    Args:
        source: the image.
        backbone: says how canvases are laid out and filled.
        pyramid: the scales.

    Yields:
        Grid and canvas of one scale after the other, smallest decoding first.

    Raises:
        FreelocError: the image cannot be read.
    """
    together: defaultdict[float, list[float]] = defaultdict(list)
    for scale in pyramid.scales:
        together[max(scale, _DECODED_FOR)].append(scale)
    for finest, scales in sorted(together.items()):
        part = Pyramid(tuple(scales), pyramid.padding)
        yield from load_canvases(source, part, backbone.layout, backbone.pad_color, decode_scale=finest)


def extract(
    paths: Sequence[Path],
    backbone: Backbone,
    network: Network,
    pyramid: Pyramid,
    *,
    contents: Sequence[str] | None = None,
    root: Path | None = None,
    form: CacheFormat = "float16",
    quiet: bool = False,
) -> CachedFeatures:
    """Make the features of images at all scales, but for those already in the cache.

    All cores are kept busy. Interrupted, it goes on where it stopped; when everything is there already, it only
    hashes the images.

    Args:
        paths: the images.
        backbone: the frozen backbone.
        network: the same backbone, compiled.
        pyramid: scales and padding.
        contents: what `content_hashes` gives of the same paths, where it is known already.
        root: folder of caches; default the user's.
        form: how values are written.
        quiet: show no progress.

    Raises:
        FreelocError: an image cannot be read, or the disk has no room for the features.
    """
    cache = FeatureCache.open(backbone, network, pyramid.padding, root, form)
    contents = content_hashes(paths) if contents is None else tuple(contents)
    there = cache.present()
    missing: dict[str, tuple[Path, tuple[float, ...]]] = {}
    for path, content in zip(paths, contents, strict=True):
        scales = tuple(scale for scale in pyramid.scales if cache.entry(content, scale).name not in there)
        if scales:
            missing[content] = (path, scales)
    if missing:
        _check_room(cache, list(missing.values()), backbone, pyramid, quiet=quiet)
        _fill(cache, missing, backbone, network, pyramid.padding, quiet=quiet)
    return CachedFeatures(cache, contents, pyramid.scales)


def content_hashes(paths: Sequence[Path]) -> tuple[str, ...]:
    """A hash of each image's file, under which its features are kept.

    Raises:
        FreelocError: a file cannot be read.
    """
    return tuple(prefetch(_content, paths))


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hash_file(file)
    except OSError as error:
        raise FreelocError(f"image {path} cannot be read: {error.strerror or error}") from error


def _check_room(
    cache: FeatureCache,
    missing: Sequence[tuple[Path, tuple[float, ...]]],
    backbone: Backbone,
    pyramid: Pyramid,
    *,
    quiet: bool,
) -> None:
    needed = 0
    for path, scales in missing:
        for grid in Pyramid(scales, pyramid.padding).grids(read_image_size(path), backbone.layout):
            rows, cols = backbone.cached_size(grid)
            needed += entry_bytes(rows * cols, backbone.channels, cache.form)
    folder = cache.folder
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise FreelocError(
            f"the feature cache needs {needed / 1e9:.1f} GB but {existing} has {free / 1e9:.1f} GB free: "
            f"{'' if cache.form == 'int8' else 'halve it with --cache-format int8, '}choose another place with "
            "--cache or train with --no-cache"
        )
    if not quiet:
        print_status(f"features of {len(missing)} images take {needed / 1e9:.2f} GB in {folder}")


def _fill(
    cache: FeatureCache,
    missing: dict[str, tuple[Path, tuple[float, ...]]],
    backbone: Backbone,
    network: Network,
    padding: Padding,
    *,
    quiet: bool,
) -> None:
    if network.batch > 1:
        made = _in_batches(cache, missing, backbone, network, padding)
    else:

        def make(item: tuple[str, tuple[Path, tuple[float, ...]]]) -> None:
            content, (path, scales) = item
            for grid, canvas in canvases(path, backbone, Pyramid(scales, padding)):
                cache.store(content, grid.scale, _kept(network(canvas), backbone.cached_size(grid)))

        # Each thread takes an image all the way, from file to cache: with a stream of its own in the runtime,
        # no core waits for another.
        made = prefetch(make, missing.items(), threads=network.threads)
    for _ in track(made, "extracting features", len(missing), quiet=quiet):
        pass


def _in_batches(
    cache: FeatureCache,
    missing: dict[str, tuple[Path, tuple[float, ...]]],
    backbone: Backbone,
    network: Network,
    padding: Padding,
) -> Iterator[None]:
    """Fill the cache with canvases of one shape run together: threads decode before and write behind."""

    def laid_out(
        item: tuple[str, tuple[Path, tuple[float, ...]]],
    ) -> tuple[str, list[tuple[Grid, Uint8Array]]]:
        content, (path, scales) = item
        return content, list(canvases(path, backbone, Pyramid(scales, padding)))

    def store(item: tuple[str, list[tuple[Grid, Cells]]]) -> None:
        content, made = item
        for grid, cells in made:
            cache.store(content, grid.scale, cells)

    threads = network.threads
    jobs = prefetch(laid_out, missing.items(), threads=threads, depth=2 * threads)
    made = in_batches(
        lambda pieces: _run_together(backbone, network, pieces), jobs, key=_shape, window=2 * network.batch
    )
    yield from prefetch(store, made, threads=threads)


def _shape(piece: tuple[Grid, Uint8Array]) -> tuple[int, ...]:
    return piece[1].shape


def _run_together(
    backbone: Backbone, network: Network, pieces: Sequence[tuple[Grid, Uint8Array]]
) -> list[tuple[Grid, Cells]]:
    """What is kept of each of several canvases of one shape."""
    outputs = network.run_many([canvas for _, canvas in pieces])
    return [
        (grid, _kept(features, backbone.cached_size(grid)))
        for (grid, _), (features,) in zip(pieces, outputs, strict=True)
    ]

"""Sources of features, which are read from a cache or computed on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from freeloc._log import get_logger
from freeloc._typing import Uint8Array
from freeloc.errors import MalformedFileError
from freeloc.features.arrays import Cells, FeatureMap, flatten_cells
from freeloc.features.batching import in_groups
from freeloc.features.cache import FeatureCache
from freeloc.features.compute import compute_features, crop_features, feature_canvases
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.hashed_image import HashedImage
from freeloc.images.image_info import ImageInfo
from freeloc.io.prefetch import prefetch
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network

__all__ = ["CachedFeatures", "FeatureSource", "LiveFeatures", "MappedSource", "cell_source"]

_log = get_logger(__name__)

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)
Mapped = TypeVar("Mapped")


class FeatureSource(Protocol[Item_co]):
    """A source of one item per image and scale, such as a feature map; several threads may use it concurrently."""

    @property
    def scales(self) -> tuple[float, ...] | None:
        """The available scales; None if every scale is available."""
        ...

    @property
    def threads(self) -> int:
        """Number of threads that should call `get` concurrently to use the hardware fully."""
        ...

    @property
    def batch(self) -> int:
        """Number of images to pass to `get_many` at once; 1 if batching is not faster."""
        ...

    def __len__(self) -> int:
        """Number of images."""
        ...

    def get(self, index: int, scale: float) -> Item_co:
        """Return the item of one image at one scale."""
        ...

    def get_many(self, indices: Sequence[int], scale: float) -> Sequence[Item_co]:
        """Return the items of several images at one scale, in order."""
        ...


class MappedSource(Generic[Item, Mapped]):
    """A source whose items are computed from another source's items.

    Args:
        source: the other source, whose items are passed to ``function``.
        function: function that computes an item from an image's index, the scale and the other source's item.
    """

    def __init__(self, source: FeatureSource[Item], function: Callable[[int, float, Item], Mapped]) -> None:
        self._source = source
        self._function = function

    @property
    def scales(self) -> tuple[float, ...] | None:
        """The available scales; None if every scale is available."""
        return self._source.scales

    @property
    def threads(self) -> int:
        """Number of threads that should call `get` concurrently to use the hardware fully."""
        return self._source.threads

    @property
    def batch(self) -> int:
        """Number of images to pass to `get_many` at once; 1 if batching is not faster."""
        return self._source.batch

    def __len__(self) -> int:
        return len(self._source)

    def get(self, index: int, scale: float) -> Mapped:
        """Return the item of one image at one scale."""
        return self._function(index, scale, self._source.get(index, scale))

    def get_many(self, indices: Sequence[int], scale: float) -> list[Mapped]:
        """Return the items of several images at one scale, in order."""
        items = self._source.get_many(indices, scale)
        return [self._function(index, scale, item) for index, item in zip(indices, items, strict=True)]


def cell_source(features: FeatureSource[FeatureMap]) -> FeatureSource[Cells]:
    """Return a source that flattens each feature map of another source to (M, channels) cells."""
    return MappedSource(features, lambda _index, _scale, values: flatten_cells(values))


class LiveFeatures:
    """Feature maps computed on demand: for datasets too large to cache, and for scales drawn at random.

    Args:
        paths: the image files.
        backbone: the frozen backbone.
        network: the compiled backbone.
        pyramid: how canvases are made; its scales do not matter.
        image_info: size and content hash of each image; None if they are unknown. If an image has changed since
            they were determined, computing its features is an error.
    """

    scales: tuple[float, ...] | None = None

    def __init__(
        self,
        paths: Sequence[Path],
        backbone: Backbone,
        network: Network,
        pyramid: Pyramid,
        image_info: Sequence[ImageInfo] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._backbone = backbone
        self._network = network
        self._pyramid = pyramid
        self._image_info = None if image_info is None else tuple(image_info)

    @property
    def threads(self) -> int:
        """Number of threads that should call `get` concurrently to use the hardware fully."""
        return self._network.threads

    @property
    def batch(self) -> int:
        """Number of images to pass to `get_many` at once."""
        return self._network.batch

    def __len__(self) -> int:
        return len(self._paths)

    def subset(self, indices: Sequence[int]) -> LiveFeatures:
        """Return the features of a subset of the images."""
        infos = self._image_info
        return LiveFeatures(
            [self._paths[index] for index in indices],
            self._backbone,
            self._network,
            self._pyramid,
            None if infos is None else [infos[index] for index in indices],
        )

    def shape(self, index: int, scale: float) -> tuple[int, int, int] | None:
        """Return the shape of a feature map without computing it; None if the size of the image is unknown."""
        if self._image_info is None:
            return None
        grid = self._pyramid.grid(self._image_info[index].size, scale, self._backbone.layout)
        return (*self._backbone.cached_size(grid), self._backbone.channels)

    def get(self, index: int, scale: float) -> FeatureMap:
        """Return the feature map of one image at one scale."""
        grid, canvas = self._canvas(index, scale)
        return crop_features(self._network(canvas), self._backbone.cached_size(grid))

    def get_many(self, indices: Sequence[int], scale: float) -> list[FeatureMap]:
        """Return the feature maps of several images at one scale, in order.

        Threads decode the images, and the features of canvases with equal shape are computed in one batch. Batches
        depend only on the given images, so the same images always have identical features.
        """
        canvases = list(prefetch(lambda index: self._canvas(index, scale), indices, threads=self.threads))
        compute = partial(compute_features, self._backbone, self._network)
        return [values for _, values in in_groups(compute, canvases, key=lambda item: item[1].shape)]

    def _canvas(self, index: int, scale: float) -> tuple[Grid, Uint8Array]:
        pyramid = self._pyramid.with_scales((scale,))
        path, infos = self._paths[index], self._image_info
        image = path if infos is None else HashedImage(path, infos[index].content_hash)
        ((grid, canvas),) = feature_canvases(image, self._backbone, pyramid)
        return grid, canvas


@dataclass(frozen=True, eq=False)
class CachedFeatures:
    """Feature maps of a list of images, read from a cache.

    Each entry is checked when it is first used (`freeloc.features.entry_file`). If it is missing, damaged, or not
    the entry of its image and scale, the features are computed and stored again.

    Attributes:
        cache: the feature cache.
        content_hashes: content hash of each image, in order.
        scales: the scales that were extracted.
        live: source that computes the features of the same images; None if they cannot be computed, so that an
            unusable entry is an error.
    """

    cache: FeatureCache
    content_hashes: tuple[str, ...]
    scales: tuple[float, ...]
    live: LiveFeatures | None = None

    @property
    def threads(self) -> int:
        """Always 2, because reading takes almost no time."""
        return 2

    @property
    def batch(self) -> int:
        """Always 1, because every image has its own file."""
        return 1

    def __len__(self) -> int:
        return len(self.content_hashes)

    def subset(self, indices: Sequence[int]) -> CachedFeatures:
        """Return the features of a subset of the images."""
        contents = tuple(self.content_hashes[index] for index in indices)
        live = None if self.live is None else self.live.subset(indices)
        return CachedFeatures(self.cache, contents, self.scales, live)

    def get(self, index: int, scale: float) -> FeatureMap:
        """Return the feature map of one image at one scale.

        Raises:
            MalformedFileError: the entry is missing or damaged, and ``live`` is None.
            DatasetError: the entry cannot be opened.
            ImageError: the entry must be computed again, and the image cannot be read or has changed.
            OutputError: the entry must be computed again and cannot be stored.
        """
        try:
            return self._load(index, scale)
        except MalformedFileError as error:
            if self.live is None:
                raise
            self._report(error)
            self.cache.store(self.content_hashes[index], scale, self.live.get(index, scale))
            return self._load(index, scale)

    def get_many(self, indices: Sequence[int], scale: float) -> list[FeatureMap]:
        """Return the feature maps of several images at one scale, in order."""
        return [self.get(index, scale) for index in indices]

    def _load(self, index: int, scale: float) -> FeatureMap:
        content_hash = self.content_hashes[index]
        place = index, self.scales.index(scale)
        known = int(self._checked[place])
        values, version = self.cache.load_checked(content_hash, scale, known)
        if version != known:
            shape = None if self.live is None else self.live.shape(index, scale)
            if shape is not None and values.shape != shape:
                path = self.cache.entry_path(content_hash, scale)
                raise MalformedFileError(path, None, f"the cached features have the shape {values.shape}")
            self._checked[place] = version
        return values

    @cached_property
    def _checked(self) -> npt.NDArray[np.int64]:
        """(images, scales) versions of the entries that were checked; 0 for all others."""
        return np.zeros((len(self.content_hashes), len(self.scales)), np.int64)

    def _report(self, error: MalformedFileError) -> None:
        """Log that entries are computed again; a single line, even if the whole cache is damaged."""
        if not self._reported:
            self._reported.append(error.file)
            _log.warning(
                "%s is missing, damaged or not the entry of its image: the features are computed again, as are "
                "those of any other such file",
                error.file,
            )

    @cached_property
    def _reported(self) -> list[Path]:
        return []

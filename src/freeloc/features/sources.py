"""Sources of features, which are read from a cache or computed on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from freeloc._typing import Uint8Array
from freeloc.features.arrays import Cells, FeatureMap, flatten_cells
from freeloc.features.batching import in_groups
from freeloc.features.cache import FeatureCache
from freeloc.features.compute import compute_features, crop_features, feature_canvases
from freeloc.geometry.grid import Grid, Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.io.prefetch import prefetch
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network

__all__ = ["CachedFeatures", "FeatureSource", "LiveFeatures", "MappedSource", "cell_source"]

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


@dataclass(frozen=True, eq=False)
class CachedFeatures:
    """Feature maps of a list of images, read from a cache.

    Attributes:
        cache: the feature cache.
        content_hashes: content hash of each image, in order.
        scales: the scales that were extracted.
    """

    cache: FeatureCache
    content_hashes: tuple[str, ...]
    scales: tuple[float, ...]

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

    def get(self, index: int, scale: float) -> FeatureMap:
        """Return the feature map of one image at one scale."""
        return self.cache.load(self.content_hashes[index], scale)

    def get_many(self, indices: Sequence[int], scale: float) -> list[FeatureMap]:
        """Return the feature maps of several images at one scale, in order."""
        return [self.get(index, scale) for index in indices]


class LiveFeatures:
    """Feature maps computed on demand: for datasets too large to cache, and for scales drawn at random.

    Args:
        paths: the image files.
        backbone: the frozen backbone.
        network: the compiled backbone.
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
        """Number of threads that should call `get` concurrently to use the hardware fully."""
        return self._network.threads

    @property
    def batch(self) -> int:
        """Number of images to pass to `get_many` at once."""
        return self._network.batch

    def __len__(self) -> int:
        return len(self._paths)

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
        pyramid = Pyramid((scale,), self._padding)
        ((grid, canvas),) = feature_canvases(self._paths[index], self._backbone, pyramid)
        return grid, canvas

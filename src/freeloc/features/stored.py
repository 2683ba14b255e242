"""Features at scales that are drawn at random, stored for other runs that draw the same scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from freeloc.errors import MalformedFileError
from freeloc.features.arrays import FeatureMap
from freeloc.features.cache import FeatureCache
from freeloc.features.disk_space import check_disk_space
from freeloc.features.entry_size import entry_bytes
from freeloc.features.sources import LiveFeatures

__all__ = ["StoredFeatures"]


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """Feature maps that are computed on demand, unless they are stored already.

    The scales of a run follow from its seed, so runs with the same seed, images and numbers of epochs share all
    features. A map has the same values whether it was stored before or not.

    Attributes:
        cache: the feature cache.
        live: source that computes the features.
        content_hashes: content hash of each image, in order.
    """

    cache: FeatureCache
    live: LiveFeatures
    content_hashes: tuple[str, ...]

    scales = None

    @property
    def threads(self) -> int:
        """Number of threads that should call `get` concurrently to use the hardware fully."""
        return self.live.threads

    @property
    def batch(self) -> int:
        """Number of images to pass to `get_many` at once."""
        return self.live.batch

    def __len__(self) -> int:
        return len(self.live)

    def subset(self, indices: Sequence[int]) -> StoredFeatures:
        """Return the features of a subset of the images."""
        contents = tuple(self.content_hashes[index] for index in indices)
        return StoredFeatures(self.cache, self.live.subset(indices), contents)

    def get(self, index: int, scale: float) -> FeatureMap:
        """Return the feature map of one image at one scale.

        Raises:
            ImageError: the image cannot be read or has changed.
            OutputError: the features cannot be stored.
        """
        values = self._load(index, scale)
        if values is None:
            values = self.cache.store(self.content_hashes[index], scale, self.live.get(index, scale))
        return values

    def get_many(self, indices: Sequence[int], scale: float) -> list[FeatureMap]:
        """Return the feature maps of several images at one scale, in order."""
        found = {index: values for index in indices if (values := self._load(index, scale)) is not None}
        missing = [index for index in dict.fromkeys(indices) if index not in found]
        computed = self.live.get_many(missing, scale) if missing else []
        for index, values in zip(missing, computed, strict=True):
            found[index] = self.cache.store(self.content_hashes[index], scale, values)
        return [found[index] for index in indices]

    def check_disk_space(self, scales: tuple[float, float], epochs: int, *, quiet: bool) -> None:
        """Check that the disk has space for the features of all epochs.

        Args:
            scales: smallest and largest scale.
            epochs: number of epochs.
            quiet: whether not to say how much space is needed.

        Raises:
            OutputError: it has too little space.
        """
        low, high = scales
        # The number of cells is nearly a polynomial of degree two, whose mean Simpson's rule computes exactly.
        weighted = ((low, 1), ((low + high) / 2, 4), (high, 1))
        per_epoch = sum(
            weight * self._entry_bytes(index, scale) / 6
            for index in range(len(self))
            for scale, weight in weighted
        )
        stored = sum(name.split("-")[0] in self._contents for name in self.cache.entry_names())
        wanted = epochs * len(self)
        needed = round(epochs * per_epoch * max(0, wanted - stored) / max(1, wanted))
        check_disk_space(self.cache, needed, f"features of {epochs} epochs", quiet=quiet)

    def _entry_bytes(self, index: int, scale: float) -> int:
        rows, cols, channels = self.live.shape(index, scale) or (0, 0, 0)
        return entry_bytes(rows * cols, channels, self.cache.format)

    def _load(self, index: int, scale: float) -> FeatureMap | None:
        try:
            return self.cache.load(self.content_hashes[index], scale)
        except MalformedFileError:  # missing or damaged
            return None

    @cached_property
    def _contents(self) -> frozenset[str]:
        return frozenset(self.content_hashes)

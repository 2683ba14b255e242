"""Extract features into the cache.

The features that a frozen backbone computes from an image never change, so they are computed once and stored by
`freeloc.features.cache`. For a complete backbone, only the valid cells are stored; for the lower stages of a
backbone whose upper stages are trained, the map includes its padding (`Backbone.cached_size`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from freeloc._typing import Uint8Array
from freeloc.features.arrays import FeatureMap
from freeloc.features.batching import in_batches
from freeloc.features.cache import CacheFormat, FeatureCache
from freeloc.features.compute import compute_features, crop_features, feature_canvases
from freeloc.features.disk_space import check_disk_space
from freeloc.features.entry_size import entry_bytes
from freeloc.features.sources import CachedFeatures, LiveFeatures
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.hashed_image import HashedImage
from freeloc.images.image_info import ImageInfo, read_image_info
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import pluralize, track
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network

__all__ = ["extract"]


def extract(
    paths: Sequence[Path],
    backbone: Backbone,
    network: Network,
    pyramid: Pyramid,
    *,
    image_info: Sequence[ImageInfo] | None = None,
    cache_folder: Path | None = None,
    cache_format: CacheFormat = "float16",
    quiet: bool = False,
) -> CachedFeatures:
    """Compute and cache the features of images at all scales, except those that are already cached.

    Extraction uses all CPU cores. If it is interrupted, the next call resumes where it stopped. If everything is
    cached, no image is decoded.

    Args:
        paths: the image files.
        backbone: the frozen backbone.
        network: the compiled backbone.
        pyramid: the scales, and how canvases are made.
        image_info: size and content hash of each image; None to read them from the files.
        cache_folder: parent folder of all caches; None for the user's cache folder.
        cache_format: how values are stored.
        quiet: whether to hide progress.

    Raises:
        ImageError: an image cannot be read, or has changed since ``image_info`` was determined.
        OutputError: the disk has too little space, or the cache cannot be written.
    """
    cache = FeatureCache.open(backbone, network, pyramid, cache_folder, cache_format)
    infos = read_image_info(paths) if image_info is None else image_info
    cached = cache.entry_names()
    missing: dict[str, _MissingImage] = {}
    for path, info in zip(paths, infos, strict=True):
        names = {scale: cache.entry_path(info.content_hash, scale).name for scale in pyramid.scales}
        scales = tuple(scale for scale, name in names.items() if name not in cached)
        if scales:
            missing[info.content_hash] = _MissingImage(path, info, pyramid.with_scales(scales))
    if missing:
        count = len({info.content_hash for info in infos})
        extraction = _Extraction(cache, backbone, network, tuple(missing.values()), count)
        extraction.check_disk_space(quiet=quiet)
        extraction.run(quiet=quiet)
    live = LiveFeatures(paths, backbone, network, pyramid, infos)
    return CachedFeatures(cache, tuple(info.content_hash for info in infos), pyramid.scales, live)


@dataclass(frozen=True, slots=True)
class _MissingImage:
    """An image and the scales at which its features are not cached."""

    path: Path
    info: ImageInfo
    pyramid: Pyramid

    @property
    def image(self) -> HashedImage:
        """The image file, whose features must not be stored under the hash of another content."""
        return HashedImage(self.path, self.info.content_hash)


@dataclass(frozen=True, eq=False)
class _Extraction:
    """Computes missing features and stores them in the cache; ``count`` images were asked for."""

    cache: FeatureCache
    backbone: Backbone
    network: Network
    missing: tuple[_MissingImage, ...]
    count: int

    def check_disk_space(self, *, quiet: bool) -> None:
        """Check that the disk has space for the missing features."""
        needed = 0
        for image in self.missing:
            for grid in image.pyramid.grids(image.info.size, self.backbone.layout):
                rows, cols = self.backbone.cached_size(grid)
                needed += entry_bytes(rows * cols, self.backbone.channels, self.cache.format)
        missing = len(self.missing)
        images = pluralize(missing, "image")
        if missing < self.count:
            images = f"{missing} of {pluralize(self.count, 'image')} (those of the others are stored)"
        check_disk_space(self.cache, needed, f"features of {images}", quiet=quiet)

    def run(self, *, quiet: bool) -> None:
        """Compute and store the missing features."""
        # A network without batches has one stream per thread. Each thread decodes an image, computes its
        # features and stores them, so no core is idle while another is busy.
        done = (
            self._run_in_batches()
            if self.network.batch > 1
            else prefetch(self._extract_image, self.missing, threads=self.network.threads)
        )
        for _ in track(done, "extracting features", len(self.missing), quiet=quiet):
            pass

    def _extract_image(self, image: _MissingImage) -> None:
        for grid, canvas in feature_canvases(image.image, self.backbone, image.pyramid):
            values = crop_features(self.network(canvas), self.backbone.cached_size(grid))
            self.cache.store(image.info.content_hash, grid.scale, values)

    def _run_in_batches(self) -> Iterator[None]:
        """Compute features in batches of canvases of equal shape; threads decode images and store results."""
        threads = self.network.threads
        jobs = prefetch(self._canvases, self.missing, threads=threads, depth=2 * threads)
        computed = in_batches(
            partial(compute_features, self.backbone, self.network),
            jobs,
            key=lambda item: item[1].shape,
            window=2 * self.network.batch,
        )
        yield from prefetch(self._store, computed, threads=threads)

    def _canvases(self, image: _MissingImage) -> tuple[str, list[tuple[Grid, Uint8Array]]]:
        return image.info.content_hash, list(feature_canvases(image.image, self.backbone, image.pyramid))

    def _store(self, computed: tuple[str, list[tuple[Grid, FeatureMap]]]) -> None:
        content_hash, maps = computed
        for grid, values in maps:
            self.cache.store(content_hash, grid.scale, values)

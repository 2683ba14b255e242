"""Images, a backbone and a network for tests of features."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from freeloc._literals import Padding
from freeloc._typing import Float32Array
from freeloc.features.arrays import Cells, FeatureMap
from freeloc.features.cache import CacheFormat
from freeloc.features.extract import extract
from freeloc.features.sources import CachedFeatures, FeatureSource, cell_source
from freeloc.geometry.pyramid import Pyramid
from freeloc.runtime import Network
from freeloc.runtime.protocol import Canvas
from tests.runtime.networks import Patches

SCALES = (0.3, 0.5)


def cells_of(source: FeatureSource[FeatureMap], index: int, scale: float) -> Cells:
    """(M, channels) features of one image."""
    return cell_source(source).get(index, scale)


def patches(seed: int = 0) -> Patches:
    """Return a backbone whose inputs lie between −1 and 1."""
    return Patches(seed, mean=(127.5,) * 3, deviation=(127.5,) * 3)


class Counted:
    """A network that counts its calls, and can be stopped."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.runtime = network.runtime
        self.precision = network.precision
        self.threads = network.threads
        self.streams = network.streams
        self.batch = network.batch
        self.calls = 0
        self.together: list[int] = []
        self.stop_at: int | None = None
        self._lock = threading.Lock()

    def __call__(self, canvas: Canvas) -> Float32Array:
        with self._lock:
            if self.calls == self.stop_at:
                raise KeyboardInterrupt
            self.calls += 1
        return self._network(canvas)

    def run(self, canvas: Canvas, *inputs: Float32Array) -> tuple[Float32Array, ...]:
        raise NotImplementedError

    def run_many(
        self, canvases: Sequence[Canvas], inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        self.together.append(len(canvases))
        self.calls += len(canvases)
        return self._network.run_many(canvases, inputs)


class World(NamedTuple):
    """Six images of different shapes, a backbone, and an empty cache folder."""

    paths: list[Path]
    backbone: Patches
    network: Counted
    root: Path

    def extract(
        self,
        scales: tuple[float, ...] = SCALES,
        padding: Padding = "stride",
        form: CacheFormat = "float16",
    ) -> CachedFeatures:
        pyramid = Pyramid(scales, padding)
        return extract(
            self.paths,
            self.backbone,
            self.network,
            pyramid,
            cache_folder=self.root,
            cache_format=form,
            quiet=True,
        )

    def entries(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

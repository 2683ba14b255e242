"""Images to predict, and comparisons of results."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image

from freeloc.inference.result import Localization

__all__ = ["EndlessImages", "assert_same", "noise"]


def assert_same(found: Localization, wanted: Localization) -> None:
    assert found.image_size == wanted.image_size
    assert found.classes == wanted.classes
    for field in ("scores", "points", "responses", "maps"):
        np.testing.assert_array_equal(getattr(found, field), getattr(wanted, field), err_msg=field)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    """An image of coarse colored patches, in which every part looks different."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (max(1, height // 40), max(1, width // 40), 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.NEAREST))


class EndlessImages:
    """An endless stream of images, which counts the requested ones."""

    taken = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for seed in itertools.count():
            self.taken += 1
            yield noise(16, 16, seed)

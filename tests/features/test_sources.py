"""Sources of features: cached, computed on demand, and mapped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from freeloc.features.sources import LiveFeatures, MappedSource, cell_source
from freeloc.geometry.pyramid import Pyramid
from tests.features.world import SCALES, World, cells_of


def test_live_features_equal_cached_ones(world: World) -> None:
    kept = world.extract()
    live = LiveFeatures(world.paths, world.backbone, world.network, Pyramid())
    assert (len(live), live.scales) == (6, None)
    for index in range(6):
        for scale in SCALES:
            np.testing.assert_array_equal(cells_of(live, index, scale), cells_of(kept, index, scale))
    assert cells_of(live, 0, 0.4321).shape[1] == 5


def test_threads(world: World) -> None:
    world.network.threads = 7
    assert LiveFeatures(world.paths, world.backbone, world.network, Pyramid()).threads == 7
    assert world.extract().threads >= 1


def test_live_features_in_batches_equal_single_ones(world: World, batched: World) -> None:
    live = LiveFeatures(batched.paths, batched.backbone, batched.network, Pyramid())
    assert live.batch == 3
    indices = (7, 0, 3, 8, 11, 0)
    for found, index in zip(live.get_many(indices, 0.5), indices, strict=True):
        wanted = live.get(index, 0.5)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found.astype(float), wanted.astype(float), rtol=2e-3, atol=1e-4)
    assert sorted(batched.network.together) == [1, 5], "four landscapes, one of them twice"
    for found, wanted in zip(
        cell_source(live).get_many(indices, 0.3), live.get_many(indices, 0.3), strict=True
    ):
        np.testing.assert_array_equal(found, wanted.reshape(-1, 5))


def test_a_cache_reads_one_entry_at_a_time(world: World) -> None:
    kept = world.extract()
    assert kept.batch == 1
    for index, found in zip((4, 1), cell_source(kept).get_many((4, 1), 0.5), strict=True):
        np.testing.assert_array_equal(found, cells_of(kept, index, 0.5))


class Numbers:
    """A source of numbers that records how it is called."""

    scales = (1.0, 2.0)
    threads = 3
    batch = 4

    def __init__(self) -> None:
        self.calls: list[object] = []

    def __len__(self) -> int:
        return 5

    def get(self, index: int, scale: float) -> float:
        self.calls.append(index)
        return index * scale

    def get_many(self, indices: Sequence[int], scale: float) -> list[float]:
        self.calls.append(tuple(indices))
        return [index * scale for index in indices]


def test_a_mapped_source_applies_its_function_to_every_item() -> None:
    numbers = Numbers()
    mapped = MappedSource(numbers, lambda index, scale, item: (index, scale, str(item)))
    assert (mapped.scales, mapped.threads, mapped.batch, len(mapped)) == ((1.0, 2.0), 3, 4, 5)
    assert mapped.get(2, 1.5) == (2, 1.5, "3.0")
    assert mapped.get_many([3, 1], 2.0) == [(3, 2.0, "6.0"), (1, 2.0, "2.0")]
    assert numbers.calls == [2, (3, 1)]


def test_a_source_that_returns_too_few_items_is_noticed() -> None:
    class Short(Numbers):
        def get_many(self, indices: Sequence[int], scale: float) -> list[float]:
            return super().get_many(indices[1:], scale)

    with pytest.raises(ValueError, match="shorter"):
        MappedSource(Short(), lambda _index, _scale, item: item).get_many([1, 2], 1.0)

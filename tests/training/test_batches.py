"""Mini-batches: the plan of an epoch, and streaming in order."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.errors import FreelocError
from freeloc.features.arrays import Cells
from freeloc.training.batches import Batch, plan_epoch, stream
from freeloc.training.recipe import Recipe
from tests.training.memory_source import Memory

law = settings(max_examples=60)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestPlan:
    @law
    @given(st.integers(1, 100), st.integers(1, 20), st.integers(0, 999))
    def test_every_image_once_in_full_batches(self, images: int, batch: int, seed: int) -> None:
        plan = plan_epoch(images, Recipe(batch_size=batch), (0.5, 1.0), generator(seed))
        assert sorted(index for part in plan for index in part.indices) == list(range(images))
        assert len(plan) == math.ceil(images / batch)
        assert all(len(part.indices) == batch for part in plan[:-1])

    @law
    @given(st.integers(0, 999))
    def test_scales_come_from_the_set(self, seed: int) -> None:
        plan = plan_epoch(300, Recipe(batch_size=1), (0.5, 0.7, 1.4), generator(seed))
        counts = Counter(part.scale for part in plan)
        assert set(counts) == {0.5, 0.7, 1.4}
        # 300 fair draws of three: 100 each, deviation 8.2.
        assert all(50 < count < 150 for count in counts.values())

    @law
    @given(st.integers(0, 999))
    def test_or_uniformly_from_the_range(self, seed: int) -> None:
        plan = plan_epoch(400, Recipe(batch_size=1, scales=(0.7, 1.0, 1.4)), None, generator(seed))
        scales = np.array([part.scale for part in plan])
        assert (scales >= 0.7).all()
        assert (scales <= 1.4).all()
        # The mean of 400 uniform draws has a deviation of 0.0101.
        assert scales.mean() == pytest.approx(1.05, abs=0.06)
        assert len(np.unique(scales)) > 390

    def test_order_and_scales_follow_the_seed(self) -> None:
        plans = [plan_epoch(50, Recipe(batch_size=4), (0.5, 1.0), generator(seed)) for seed in (1, 1, 2)]
        assert plans[0] == plans[1] != plans[2]
        order = [index for part in plans[0] for index in part.indices]
        assert order != sorted(order)


class TestStream:
    def test_a_mini_batch_is_read_at_its_one_scale(self) -> None:
        source = Memory(5)
        ((batch, cells),) = stream(source, [Batch((3, 1), 0.5)])
        assert batch == Batch((3, 1), 0.5)
        assert sorted(source.requests) == [(1, 0.5), (3, 0.5)]
        assert [len(part) for part in cells] == [6, 4]

    @law
    @given(st.lists(st.integers(1, 7), max_size=12), st.integers(1, 8))
    def test_mini_batches_come_in_order_whatever_the_threads(self, sizes: list[int], threads: int) -> None:
        rng = np.random.default_rng(len(sizes))
        plan = [
            Batch(tuple(rng.integers(0, 50, size).tolist()), float(rng.choice([0.5, 1.0]))) for size in sizes
        ]
        source = Memory(50)
        source.threads = threads
        found = list(stream(source, plan))
        assert [batch for batch, _cells in found] == plan
        for batch, cells in found:
            for index, part in zip(batch.indices, cells, strict=True):
                np.testing.assert_array_equal(part, Memory(50).get(index, batch.scale))

    def test_images_not_mini_batches_keep_the_threads_busy(self) -> None:
        # All five threads meet at a barrier for the images of one mini-batch; fewer threads would wait
        # forever.
        meeting = threading.Barrier(5, timeout=60)

        class Meeting(Memory):
            threads = 5

            def get(self, index: int, scale: float) -> Cells:
                meeting.wait()
                return super().get(index, scale)

        ((_batch, cells),) = stream(Meeting(5), [Batch((0, 1, 2, 3, 4), 1.0)])
        assert len(cells) == 5

    def test_no_more_than_the_next_mini_batch_is_made_ahead(self) -> None:
        source = Memory(1000)
        plan = [Batch(tuple(range(start, start + 10)), 1.0) for start in range(0, 1000, 10)]
        for taken, _ in enumerate(stream(source, plan), start=1):
            assert len(source.requests) <= 10 * taken + 10 + 2 * source.threads + 1

    @law
    @given(st.lists(st.integers(1, 7), max_size=12))
    def test_a_source_that_likes_several_at_once_gets_mini_batches(self, sizes: list[int]) -> None:
        asked: list[tuple[Sequence[int], float]] = []

        class Several(Memory):
            batch = 8

            def get_many(self, indices: Sequence[int], scale: float) -> Sequence[Cells]:
                asked.append((indices, scale))
                return [Memory(50).get(index, scale) for index in indices]

        rng = np.random.default_rng(len(sizes))
        plan = [
            Batch(tuple(rng.integers(0, 50, size).tolist()), float(rng.choice([0.5, 1.0]))) for size in sizes
        ]
        source = Several(50)
        found = list(stream(source, plan))
        assert [batch for batch, _cells in found] == plan
        assert sorted(asked) == sorted((batch.indices, batch.scale) for batch in plan)
        assert source.requests == []
        for batch, cells in found:
            for index, part in zip(batch.indices, cells, strict=True):
                np.testing.assert_array_equal(part, Memory(50).get(index, batch.scale))

    def test_of_mini_batches_made_at_once_two_are_made_ahead(self) -> None:
        asked: list[Sequence[int]] = []

        class Several(Memory):
            batch = 8

            def get_many(self, indices: Sequence[int], scale: float) -> Sequence[Cells]:
                asked.append(indices)
                return super().get_many(indices, scale)

        plan = [Batch((number,), 1.0) for number in range(100)]
        for taken, _ in enumerate(stream(Several(100), plan), start=1):
            assert len(asked) <= taken + 2

    def test_a_image_that_fails_stops_the_epoch(self) -> None:
        class Broken(Memory):
            def get(self, index: int, scale: float) -> Cells:
                if index == 7:
                    raise FreelocError("image 7 is broken")
                return super().get(index, scale)

        plan = [Batch((0, 1, 2, 3), 1.0), Batch((4, 5, 6, 7), 1.0), Batch((8, 9), 1.0)]
        found: list[tuple[Batch, list[Cells]]] = []
        with pytest.raises(FreelocError, match="image 7"):
            found.extend(stream(Broken(10), plan))
        assert [batch for batch, _cells in found] == plan[:1]

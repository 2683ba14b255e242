"""The loop: plans, learning rates, and the arithmetic of SGD against NumPy."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from freeloc.errors import FreelocError
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.batches import Batch, derive_seed, plan_epoch, stream
from freeloc.training.loop import EpochRecord, fit, learning_rate, make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.step import TrainStep

law = settings(max_examples=60)
CPU = torch.device("cpu")
CHANNELS, CLASSES = 4, 3


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Memory:
    """Features in memory, made from image and scale; notes what was asked for."""

    threads = 3
    batch = 1

    def __init__(self, images: int, scales: tuple[float, ...] | None = (0.5, 1.0)) -> None:
        self.scales = scales
        self.asked: list[tuple[int, float]] = []
        self._count = images

    def __len__(self) -> int:
        return self._count

    def get(self, index: int, scale: float) -> np.ndarray:
        self.asked.append((index, scale))
        rng = np.random.default_rng([index, round(scale * 1000)])
        return rng.normal(0, 1, (3 + index % 4, CHANNELS)).astype(np.float16)


class Separable(Memory):
    """Class k is in image i when bit k of i is set, and then one cell shows it."""

    def get(self, index: int, scale: float) -> np.ndarray:
        made = 0.3 * super().get(index, scale)
        made[:, 3] = 0
        for k in range(CLASSES):
            if index >> k & 1:
                made[k % len(made), k] += 4
        return made

    def labels(self) -> np.ndarray:
        bits = (np.arange(len(self))[:, None] >> np.arange(CLASSES)) & 1
        return (2 * bits - 1).astype(np.int8)


def linear_head(**settings_: float) -> AdaptationHead:
    torch.manual_seed(0)
    return AdaptationHead(HeadSettings(CHANNELS, CLASSES, hidden=0, **settings_))


def random_labels(images: int) -> np.ndarray:
    return np.random.default_rng(1).integers(-1, 2, (images, CLASSES)).astype(np.int8)


def run(
    source: Memory,
    labels: np.ndarray,
    head: AdaptationHead,
    recipe: Recipe,
    *,
    seed: int = 0,
    first_epoch: int = 0,
    optimizer: torch.optim.SGD | None = None,
    after_epoch: Callable[[EpochRecord], None] | None = None,
) -> torch.optim.SGD:
    optimizer = optimizer or make_optimizer(head, recipe)
    learner = TrainStep(nn.Identity(), head, recipe, low_precision=False, device=CPU)
    fit(
        *(source, labels, head, learner, optimizer, recipe),
        seed=seed,
        first_epoch=first_epoch,
        after_epoch=after_epoch,
        quiet=True,
    )
    return optimizer


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

    def test_a_mini_batch_is_read_at_its_one_scale(self) -> None:
        source = Memory(5)
        ((batch, cells),) = stream(source, [Batch((3, 1), 0.5)])
        assert batch == Batch((3, 1), 0.5)
        assert sorted(source.asked) == [(1, 0.5), (3, 0.5)]
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
        # All five threads meet over the images of one mini-batch; with fewer at work they would wait for ever.
        meeting = threading.Barrier(5, timeout=60)

        class Meeting(Memory):
            threads = 5

            def get(self, index: int, scale: float) -> np.ndarray:
                meeting.wait()
                return super().get(index, scale)

        ((_batch, cells),) = stream(Meeting(5), [Batch((0, 1, 2, 3, 4), 1.0)])
        assert len(cells) == 5

    def test_no_more_than_the_next_mini_batch_is_made_ahead(self) -> None:
        source = Memory(1000)
        plan = [Batch(tuple(range(start, start + 10)), 1.0) for start in range(0, 1000, 10)]
        for taken, _ in enumerate(stream(source, plan), start=1):
            assert len(source.asked) <= 10 * taken + 10 + 2 * source.threads + 1

    @law
    @given(st.lists(st.integers(1, 7), max_size=12))
    def test_a_source_that_likes_several_at_once_gets_mini_batches(self, sizes: list[int]) -> None:
        asked = []

        class Several(Memory):
            batch = 8

            def get_many(self, indices: tuple[int, ...], scale: float) -> list[np.ndarray]:
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
        assert source.asked == []
        for batch, cells in found:
            for index, part in zip(batch.indices, cells, strict=True):
                np.testing.assert_array_equal(part, Memory(50).get(index, batch.scale))

    def test_of_mini_batches_made_at_once_two_are_made_ahead(self) -> None:
        asked = []

        class Several(Memory):
            batch = 8

            def get_many(self, indices: tuple[int, ...], scale: float) -> list[int]:
                asked.append(indices)
                return list(indices)

        plan = [Batch((number,), 1.0) for number in range(100)]
        for taken, _ in enumerate(stream(Several(100), plan), start=1):
            assert len(asked) <= taken + 2

    def test_a_image_that_fails_stops_the_epoch(self) -> None:
        class Broken(Memory):
            def get(self, index: int, scale: float) -> np.ndarray:
                if index == 7:
                    raise FreelocError("image 7 is broken")
                return super().get(index, scale)

        plan = [Batch((0, 1, 2, 3), 1.0), Batch((4, 5, 6, 7), 1.0), Batch((8, 9), 1.0)]
        found = []
        with pytest.raises(FreelocError, match="image 7"):
            found.extend(stream(Broken(10), plan))
        assert [batch for batch, _cells in found] == plan[:1]

    def test_seeds_differ_for_every_seed_epoch_and_purpose(self) -> None:
        mixed = [
            derive_seed(seed, epoch, use) for seed in range(20) for epoch in range(50) for use in range(8)
        ]
        assert len(set(mixed)) == len(mixed)

    @pytest.mark.parametrize("seed", [20240229123456, 2**63 - 1, 2**64, 10**30, -1])
    def test_any_whole_number_is_a_seed(self, seed: int) -> None:
        for purpose in range(8):
            torch.Generator().manual_seed(derive_seed(seed, 15, purpose))


class TestLearningRate:
    @law
    @given(st.integers(1, 3000), st.floats(0, 0.99))
    def test_cosine_rises_then_falls_to_zero(self, steps: int, warmup: float) -> None:
        recipe = Recipe(learning_rate=0.3, warmup_fraction=warmup)
        rates = [learning_rate(step, steps, recipe) for step in range(steps)]
        warm = math.floor(warmup * steps)
        assert all(0 < rate <= 0.3 for rate in rates)
        # The cosine at every step that is past the rise, by the half-angle formula.
        for step in range(math.ceil(warmup * steps), steps):
            assert rates[step] == pytest.approx(0.3 * math.cos(math.pi * step / steps / 2) ** 2)
        assert all(
            later < earlier for earlier, later in zip(rates[warm + 1 :], rates[warm + 2 :], strict=False)
        )
        if steps > 100 and warmup < 0.5:
            assert rates[-1] < 0.3 * 1e-3

    def test_the_rise_is_even_and_reaches_the_peak(self) -> None:
        recipe = Recipe(learning_rate=0.3, warmup_fraction=0.1, schedule="constant")
        rates = [learning_rate(step, 100, recipe) for step in range(100)]
        assert rates[:10] == pytest.approx([0.03 * (step + 1) for step in range(10)])
        assert rates[10:] == [0.3] * 90

    @law
    @given(st.integers(1, 3000), st.integers(0, 2999))
    def test_constant_stays(self, steps: int, step: int) -> None:
        recipe = Recipe(learning_rate=0.01, warmup_fraction=0.0, schedule="constant")
        assert learning_rate(step % steps, steps, recipe) == 0.01

    def test_a_rise_shorter_than_a_step_is_none(self) -> None:
        assert learning_rate(0, 10, Recipe(learning_rate=0.3, warmup_fraction=0.02)) == 0.3


class TestOptimizer:
    def test_weight_decay_falls_on_weights_only(self) -> None:
        recipe = Recipe(weight_decay=0.25, momentum=0.5)
        head = AdaptationHead(HeadSettings(CHANNELS, CLASSES, hidden=6), standardized=True)
        optimizer = make_optimizer(head, recipe)
        decays = {
            id(parameter): group["weight_decay"]
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        assert {name: decays.pop(id(parameter)) for name, parameter in head.named_parameters()} == {
            "fca.weight": 0.25,
            "fca.bias": 0,
            "fcb.weight": 0.25,
            "fcb.bias": 0,
        }
        assert not decays
        assert {group["momentum"] for group in optimizer.param_groups} == {0.5}


def sgd_by_hand(
    source: Memory, labels: np.ndarray, head: AdaptationHead, recipe: Recipe, seed: int
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """A linear head trained in float64 NumPy, from the definitions of the loss and of SGD with momentum."""
    weight, bias = head.fcb.weight.detach().double().numpy(), head.fcb.bias.detach().double().numpy()
    speeds = [np.zeros_like(weight), np.zeros_like(bias)]
    steps, step, means = recipe.epochs * math.ceil(len(source) / recipe.batch_size), 0, []
    for epoch in range(recipe.epochs):
        losses = []
        for batch in plan_epoch(len(source), recipe, source.scales, generator(derive_seed(seed, epoch, 0))):
            slopes, loss = [np.zeros_like(weight), np.zeros_like(bias)], 0.0
            for index in batch.indices:
                cells = source.get(index, batch.scale).astype(float)
                for k, sign in enumerate(labels[index]):
                    scores = cells @ weight[k] + bias[k]
                    best = scores.argmax()
                    loss += abs(int(sign)) * math.log1p(math.exp(-sign * scores[best]))
                    slope = -sign / (1 + math.exp(sign * scores[best])) / len(batch.indices)
                    slopes[0][k] += slope * cells[best]
                    slopes[1][k] += slope
            losses.append(loss / len(batch.indices))
            rate = recipe.learning_rate * math.cos(math.pi * step / steps / 2) ** 2
            slopes[0] += recipe.weight_decay * weight
            speeds = [recipe.momentum * speed + slope for speed, slope in zip(speeds, slopes, strict=True)]
            weight, bias = weight - rate * speeds[0], bias - rate * speeds[1]
            step += 1
        means.append(float(np.mean(losses)))
    return weight, bias, means


class TestFit:
    def test_equals_sgd_by_hand(self) -> None:
        recipe = Recipe(
            *("test", 3, 4),
            learning_rate=0.2,
            weight_decay=0.05,
            warmup_fraction=0.0,
            feature_dropout=0.0,
            cell_fraction=1.0,
            hidden=0,
        )
        labels, head, records = random_labels(10), linear_head(), []
        weight, bias, losses = sgd_by_hand(Memory(10), labels, head, recipe, seed=3)
        run(Memory(10), labels, head, recipe, seed=3, after_epoch=records.append)
        np.testing.assert_allclose(head.fcb.weight.detach().numpy(), weight, atol=1e-5)
        np.testing.assert_allclose(head.fcb.bias.detach().numpy(), bias, atol=1e-5)
        assert [record.loss for record in records] == pytest.approx(losses, rel=1e-5)
        assert [record.epoch for record in records] == [1, 2, 3]
        # The last of nine steps.
        assert records[-1].learning_rate == pytest.approx(0.2 * math.cos(math.pi * 8 / 9 / 2) ** 2)
        assert all(record.seconds >= 0 for record in records)

    def test_every_image_once_an_epoch(self) -> None:
        source, after = Memory(11), []
        run(
            *(source, random_labels(11), linear_head(), Recipe(epochs=3, batch_size=4, hidden=0)),
            after_epoch=lambda _record: after.append(len(source.asked)),
        )
        assert after == [11, 22, 33]
        for start in (0, 11, 22):
            epoch = source.asked[start : start + 11]
            assert sorted(index for index, _scale in epoch) == list(range(11))
            # Threads read side by side, but what they read goes in batches of one scale.
            assert {scale for _index, scale in epoch} <= {0.5, 1.0}
        assert source.asked[:11] != source.asked[11:22]

    def test_learns_what_can_be_learned(self) -> None:
        source = Separable(32)
        labels, head, records = source.labels(), linear_head(hidden_dropout=0.0), []
        recipe = Recipe(
            epochs=30, batch_size=8, hidden=0, learning_rate=0.3, weight_decay=0.0, cell_fraction=1.0
        )
        run(source, labels, head, recipe, after_epoch=records.append)
        assert records[-1].loss < 0.1 * records[0].loss
        with torch.no_grad():
            scores = np.stack(
                [head(torch.from_numpy(source.get(i, 1.0)).float()).amax(dim=0).numpy() for i in range(32)]
            )
        assert (np.sign(scores) == labels).all()

    @pytest.mark.parametrize("stop", [1, 3])
    def test_a_run_that_goes_on_takes_the_same_steps(self, stop: int) -> None:
        recipe = Recipe(epochs=4, batch_size=4, hidden=0, learning_rate=0.1, feature_dropout=0.3)
        labels = random_labels(10)
        straight = linear_head(feature_dropout=0.3)
        run(Memory(10), labels, straight, recipe, seed=5)

        class Stop(Exception):
            pass

        def stop_after(record: EpochRecord) -> None:
            if record.epoch == stop:
                raise Stop

        stopped = linear_head(feature_dropout=0.3)
        optimizer = make_optimizer(stopped, recipe)
        with pytest.raises(Stop):
            run(Memory(10), labels, stopped, recipe, seed=5, optimizer=optimizer, after_epoch=stop_after)
        assert not torch.equal(stopped.fcb.weight, straight.fcb.weight)
        run(Memory(10), labels, stopped, recipe, seed=5, optimizer=optimizer, first_epoch=stop)
        assert torch.equal(stopped.fcb.weight, straight.fcb.weight)
        assert torch.equal(stopped.fcb.bias, straight.fcb.bias)

    def test_the_seed_decides(self) -> None:
        recipe = Recipe(epochs=2, batch_size=4, hidden=0, learning_rate=0.1)
        weights = []
        for seed in (1, 1, 2):
            head = linear_head()
            run(Memory(10), random_labels(10), head, recipe, seed=seed)
            weights.append(head.fcb.weight.detach().clone())
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])

    def test_a_loss_that_is_no_number_is_told(self) -> None:
        # A decay that overshoots a hundredfold at every step.
        recipe = Recipe(epochs=30, batch_size=4, hidden=0, learning_rate=1e4, weight_decay=1e-2, momentum=0.0)
        records: list[EpochRecord] = []
        with pytest.raises(FreelocError, match="diverged in epoch .* lower --learning-rate than 10000"):
            run(Memory(10), random_labels(10), linear_head(), recipe, after_epoch=records.append)
        assert all(math.isfinite(record.loss) for record in records)

    def test_nothing_left_to_do(self) -> None:
        head = linear_head()
        before = head.fcb.weight.detach().clone()
        run(Memory(10), random_labels(10), head, Recipe(epochs=2, hidden=0), first_epoch=2)
        assert torch.equal(head.fcb.weight, before)

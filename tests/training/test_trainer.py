"""The training loop: the arithmetic of SGD against NumPy, and resuming at an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from freeloc.errors import TrainingError
from freeloc.features.arrays import Cells
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.batches import plan_epoch
from freeloc.training.optimizer import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.seeds import SeedPurpose, derive_seed
from freeloc.training.step import HeadTrainStep
from freeloc.training.trainer import EpochRecord, Trainer
from tests.training.memory_source import CHANNELS, Memory

CPU = torch.device("cpu")
CLASSES = 3


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Separable(Memory):
    """Class k is in image i if bit k of i is set, and is then visible in one cell."""

    def get(self, index: int, scale: float) -> Cells:
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


class Observer:
    """An observer that calls a function after each epoch, and counts steps."""

    def __init__(self, after_epoch: Callable[[EpochRecord], None] | None = None) -> None:
        self._after_epoch = after_epoch
        self.steps: list[int] = []

    def after_step(self, steps: int) -> None:
        self.steps.append(steps)

    def after_epoch(self, record: EpochRecord) -> None:
        if self._after_epoch is not None:
            self._after_epoch(record)


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
    step = HeadTrainStep(nn.Identity(), head, recipe, use_bfloat16=False, device=CPU)
    trainer = Trainer(source, labels, step, optimizer, recipe, seed)
    trainer.fit(first_epoch=first_epoch, observer=Observer(after_epoch), quiet=True)
    return optimizer


def sgd_by_hand(
    source: Memory, labels: np.ndarray, head: AdaptationHead, recipe: Recipe, seed: int
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """A linear head trained in float64 NumPy, from the definitions of the loss and of SGD with momentum."""
    weight, bias = head.fcb.weight.detach().double().numpy(), head.fcb.bias.detach().double().numpy()
    speeds = [np.zeros_like(weight), np.zeros_like(bias)]
    steps, step, means = recipe.epochs * math.ceil(len(source) / recipe.batch_size), 0, []
    for epoch in range(recipe.epochs):
        losses = []
        for batch in plan_epoch(
            len(source), recipe, source.scales, generator(derive_seed(seed, epoch, SeedPurpose.BATCHES))
        ):
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
        labels, head = random_labels(10), linear_head()
        records: list[EpochRecord] = []
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
        source = Memory(11)
        after: list[int] = []
        run(
            *(source, random_labels(11), linear_head(), Recipe(epochs=3, batch_size=4, hidden=0)),
            after_epoch=lambda _record: after.append(len(source.requests)),
        )
        assert after == [11, 22, 33]
        for start in (0, 11, 22):
            epoch = source.requests[start : start + 11]
            assert sorted(index for index, _scale in epoch) == list(range(11))
            # Threads read concurrently, but all images of a batch have one scale.
            assert {scale for _index, scale in epoch} <= {0.5, 1.0}
        assert source.requests[:11] != source.requests[11:22]

    def test_learns_what_can_be_learned(self) -> None:
        source = Separable(32)
        labels, head = source.labels(), linear_head(hidden_dropout=0.0)
        records: list[EpochRecord] = []
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
        # Weight decay that overshoots a hundredfold at every step.
        recipe = Recipe(epochs=30, batch_size=4, hidden=0, learning_rate=1e4, weight_decay=1e-2, momentum=0.0)
        records: list[EpochRecord] = []
        with pytest.raises(TrainingError, match="diverged in epoch .* use a learning rate below 10000"):
            run(Memory(10), random_labels(10), linear_head(), recipe, after_epoch=records.append)
        assert all(math.isfinite(record.loss) for record in records)

    def test_nothing_left_to_do(self) -> None:
        head = linear_head()
        before = head.fcb.weight.detach().clone()
        run(Memory(10), random_labels(10), head, Recipe(epochs=2, hidden=0), first_epoch=2)
        assert torch.equal(head.fcb.weight, before)

    def test_steps_are_counted_over_the_whole_run(self) -> None:
        recipe, head = Recipe(epochs=3, batch_size=4, hidden=0), linear_head()
        step = HeadTrainStep(nn.Identity(), head, recipe, use_bfloat16=False, device=CPU)
        trainer = Trainer(Memory(10), random_labels(10), step, make_optimizer(head, recipe), recipe)
        observer = Observer()
        trainer.fit(first_epoch=1, observer=observer, quiet=True)
        assert observer.steps == [4, 5, 6, 7, 8, 9]

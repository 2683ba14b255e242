"""The warm start: statistics, log-odds, training on means, rescaling."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from freeloc.features.arrays import Cells
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.losses import logistic_loss
from freeloc.training.batches import Batch
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep
from freeloc.training.warm_start import (
    _fit_shared_slope,
    log_odds,
    measure_features,
    rescale_pooled_scores,
    train_on_means,
)

WIDTH, CLASSES, IMAGES = 6, 3, 60


class Source:
    """Random cells; in images with a class, one cell contains the class's mark."""

    threads = 2
    batch = 1

    def __init__(self, scales: tuple[float, ...] | None = (0.7, 1.0, 1.4)) -> None:
        self.scales = scales
        self.requests: list[float] = []
        generator = np.random.default_rng(0)
        self.labels = np.where(generator.random((IMAGES, CLASSES)) < 0.4, 1, -1).astype(np.int8)
        self.all: list[Cells] = []
        for row in self.labels:
            cells = generator.normal(2.0, [1, 1, 1, 3, 0.5, 0.1], (int(generator.integers(1, 30)), WIDTH))
            for label in np.flatnonzero(row == 1):
                cells[generator.integers(len(cells)), label] += 5
            self.all.append(cells.astype(np.float16))

    def __len__(self) -> int:
        return len(self.all)

    def get(self, index: int, scale: float) -> Cells:
        self.requests.append(scale)
        return self.all[index]

    def get_many(self, indices: Sequence[int], scale: float) -> Sequence[Cells]:
        return [self.get(index, scale) for index in indices]


def test_statistics_are_those_of_all_cells_at_the_scale_nearest_to_one() -> None:
    source = Source((0.5, 1.2, 2.0))
    found = measure_features(source, nn.Identity(), device=torch.device("cpu"), quiet=True)
    everything = np.concatenate(source.all).astype(np.float64)
    assert set(source.requests) == {1.2}
    np.testing.assert_allclose(found.mean, everything.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.deviation, everything.std(axis=0), rtol=1e-4)
    for cells, mean in zip(source.all, found.means, strict=True):
        np.testing.assert_allclose(mean, cells.astype(np.float64).mean(axis=0), rtol=1e-4)


def test_statistics_pass_through_the_projection() -> None:
    source = Source(None)
    doubled = measure_features(source, lambda_module(2.0), device=torch.device("cpu"), quiet=True)
    plain = measure_features(source, nn.Identity(), device=torch.device("cpu"), quiet=True)
    assert set(source.requests) == {1.0}
    torch.testing.assert_close(doubled.mean, 2 * plain.mean)
    torch.testing.assert_close(doubled.deviation, 2 * plain.deviation)


def lambda_module(factor: float) -> nn.Module:
    layer = nn.Linear(WIDTH, WIDTH, bias=False)
    with torch.no_grad():
        layer.weight.copy_(factor * torch.eye(WIDTH))
    return layer


def test_log_odds_by_hand() -> None:
    labels = torch.tensor([[1, -1, 0], [1, -1, 0], [-1, -1, 0]])
    # One additional positive and negative image: 3 to 2, 1 to 4, 1 to 1.
    expected = torch.tensor([math.log(3 / 2), math.log(1 / 4), 0.0])
    torch.testing.assert_close(log_odds(labels), expected)


def trained(source: Source) -> tuple[AdaptationHead, float]:
    torch.manual_seed(0)
    head = AdaptationHead(HeadSettings(WIDTH, CLASSES, hidden=32, hidden_dropout=0.0), standardized=True)
    statistics = measure_features(source, nn.Identity(), device=torch.device("cpu"), quiet=True)
    head.set_standardization(statistics.mean, statistics.gain)
    labels = torch.from_numpy(source.labels)
    recipe = Recipe(warm_start_epochs=30, warm_start_learning_rate=0.05)
    return head, train_on_means(head, statistics, labels, recipe, seed=1)


def test_training_on_means_learns_and_is_reproducible() -> None:
    source = Source()
    start = CLASSES * math.log(2)
    (first, loss), (second, again) = trained(source), trained(source)
    assert loss == again < 0.8 * start
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("pooling", ["max", "lse", "topk"])
def test_rescaling_lowers_the_loss_and_keeps_the_ranking(pooling: str) -> None:
    source = Source()
    head, _ = trained(source)
    recipe = Recipe(cell_fraction=1.0, pooling=pooling)
    step = HeadTrainStep(nn.Identity(), head, recipe, use_bfloat16=False, device=torch.device("cpu"))
    labels = torch.from_numpy(source.labels)
    before = step.pooled_scores(source.all)
    batches = [Batch(tuple(range(start, start + 20)), 1.0) for start in (0, 20, 40)]
    rescale_pooled_scores(step, source, labels, batches)
    after = step.pooled_scores(source.all)
    assert logistic_loss(after, labels) < logistic_loss(before, labels)
    if pooling != "lse":  # a slope inside log-sum-exp differs from one outside
        assert torch.equal(before.argsort(dim=0), after.argsort(dim=0))
        slope, offsets = _fit_shared_slope(before, labels)
        torch.testing.assert_close(after, slope * before + offsets, rtol=1e-3, atol=1e-3)


def test_rescaling_of_one_class_agrees_with_scikit_learn() -> None:
    generator = np.random.default_rng(3)
    scores = generator.normal(0, 2, 400)
    shown = generator.random(400) < 1 / (1 + np.exp(-(1.7 * scores - 0.6)))
    head = AdaptationHead(HeadSettings(1, 1, hidden=0))
    with torch.no_grad():
        head.fcb.weight.fill_(1.0)

    class One(Source):
        def __init__(self) -> None:
            self.scales = (1.0,)
            self.requests = []
            self.all = [np.full((1, 1), score, np.float16) for score in scores]

    step = HeadTrainStep(
        nn.Identity(), head, Recipe(cell_fraction=1.0), use_bfloat16=False, device=torch.device("cpu")
    )
    labels = torch.from_numpy(np.where(shown, 1, -1).astype(np.int8)[:, None])
    rescale_pooled_scores(step, One(), labels, [Batch(tuple(range(400)), 1.0)])
    reference = LogisticRegression(C=1e9).fit(scores.astype(np.float16).astype(float)[:, None], shown)
    assert float(head.fcb.weight.detach()) == pytest.approx(float(reference.coef_[0, 0]), rel=0.02)
    assert float(head.fcb.bias.detach()) == pytest.approx(float(reference.intercept_[0]), abs=0.02)


MEMORY = """
import numpy as np
import torch
from torch import nn
from freeloc.training.warm_start import measure_features


class Images:
    scales, threads, batch = (1.0,), 2, 1

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def get(self, index, scale):
        cells = int(np.random.default_rng(index).integers(60, 260))
        return np.full((cells, 320), 0.5, np.float16)


def private_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


torch.set_num_threads(1)
projection = nn.Sequential(nn.Linear(320, 1280), nn.ReLU6())
options = {"device": torch.device("cpu"), "quiet": True}
measure_features(Images(50), projection, **options)
before = private_kb()
kept = measure_features(Images(500), projection, **options)
print((private_kb() - before) / 500)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not report private memory"
)
def test_memory_grows_by_a_few_kilobytes_an_image() -> None:
    # The mean features take 5 kB per image. Kept as one small tensor each, they took 140 kB, because they lay
    # between the large temporary tensors.
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 40

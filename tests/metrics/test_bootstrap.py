from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.errors import FreelocError
from freeloc.metrics import bootstrap
from freeloc.metrics.average_precision import average_precision, classification_ranking
from freeloc.metrics.bootstrap import bootstrap_intervals, paired_bootstrap
from freeloc.metrics.pointing_game import HitCounts
from freeloc.metrics.ranking import Ranking
from freeloc.metrics.weighted_metric import mean_over_classes


def random_ranking(seed: int, n: int = 40, k: int = 3, skill: float = 1.0) -> Ranking:
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, -1, 0, 1], (n, k))
    return classification_ranking(rng.normal(size=(n, k)) + skill * labels, labels)


def test_intervals_are_the_percentiles_of_redrawn_images() -> None:
    # The slow way: actually draw the images and rank them again.
    rng = np.random.default_rng(11)
    scores, labels = rng.integers(0, 9, (15, 2)).astype(float), rng.choice([-1, 0, 1], (15, 2))
    draws = np.random.default_rng(7).multinomial(15, np.full(15, 1 / 15), size=60)
    values = np.array(
        [
            [average_precision(np.repeat(scores[:, k], d), np.repeat(labels[:, k], d)) for k in range(2)]
            for d in draws
        ]
    )
    result = bootstrap_intervals(classification_ranking(scores, labels), resamples=60, level=0.9, seed=7)
    for k in range(2):
        assert result.classes[k].estimate == pytest.approx(average_precision(scores[:, k], labels[:, k]))
        assert result.classes[k].low == pytest.approx(np.nanpercentile(values[:, k], 5))
        assert result.classes[k].high == pytest.approx(np.nanpercentile(values[:, k], 95))
    means = [mean_over_classes(row) for row in values]
    assert result.mean.low == pytest.approx(np.nanpercentile(means, 5))
    assert result.mean.high == pytest.approx(np.nanpercentile(means, 95))
    assert (result.level, result.resamples, result.seed) == (0.9, 60, 7)


def test_an_accuracy_gets_the_interval_of_the_textbook() -> None:
    # 360 hits of 400: the normal interval is p ± 1.96·√(p(1 − p)/n) = 0.9 ± 0.0294.
    hits = np.arange(400)[:, None] < 360
    interval = bootstrap_intervals(HitCounts(hits, np.ones_like(hits)), resamples=4000).mean
    half = 1.96 * math.sqrt(0.9 * 0.1 / 400)
    assert interval.estimate == pytest.approx(0.9)
    assert interval.low == pytest.approx(0.9 - half, abs=0.004)
    assert interval.high == pytest.approx(0.9 + half, abs=0.004)


def test_every_draw_takes_as_many_images_as_there_are() -> None:
    weights = np.concatenate(list(bootstrap._draws(30, 50, seed=1)))
    assert weights.shape == (50, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert (weights == np.round(weights)).all()


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_the_size_of_a_chunk_changes_nothing(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    ranking = random_ranking(1)
    whole = bootstrap_intervals(ranking, resamples=50, seed=3)
    monkeypatch.setattr(bootstrap, "_CHUNK", rows * 40)
    assert bootstrap_intervals(ranking, resamples=50, seed=3) == whole


def test_the_seed_decides() -> None:
    ranking = random_ranking(1)
    assert bootstrap_intervals(ranking, 50, seed=3) == bootstrap_intervals(ranking, 50, seed=3)
    assert bootstrap_intervals(ranking, 50, seed=3).mean != bootstrap_intervals(ranking, 50, seed=4).mean


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_a_wider_level_gives_a_wider_interval(seed: int) -> None:
    ranking = random_ranking(seed)
    narrow, wide = (bootstrap_intervals(ranking, 40, level, seed % 5).mean for level in (0.5, 0.95))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_resamples_without_a_class_leave_it_out() -> None:
    # Class 0 has one positive among 10 images, ranked perfectly: it is worth 1 whenever it is drawn,
    # and (1 − 1/10)^10 = 35 % of the draws hold none. Class 1 has no positives at all.
    labels = np.full((10, 2), -1)
    labels[0, 0] = 1
    scores = np.repeat(np.arange(10, 0, -1.0)[:, None], 2, axis=1)
    ranking = classification_ranking(scores, labels)
    drawn = ranking.values(np.concatenate(list(bootstrap._draws(10, 1000, seed=0))))[:, 0]
    assert np.isnan(drawn).mean() == pytest.approx(0.9**10, abs=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = bootstrap_intervals(ranking, seed=0)
    assert (result.classes[0].estimate, result.classes[0].low, result.classes[0].high) == (1, 1, 1)
    assert all(
        math.isnan(x) for x in (result.classes[1].estimate, result.classes[1].low, result.classes[1].high)
    )
    assert (result.mean.estimate, result.mean.low, result.mean.high) == (1, 1, 1)


def test_a_metric_equals_itself() -> None:
    ranking = random_ranking(2)
    result = paired_bootstrap(ranking, ranking, 50)
    assert all((c.estimate, c.low, c.high) == (0, 0, 0) for c in (*result.classes, result.mean))
    assert result.first_better == 0.5


def test_the_paired_difference_is_taken_draw_by_draw() -> None:
    first, second = random_ranking(4, skill=2.0), random_ranking(4, skill=0.3)
    weights = np.random.default_rng(9).multinomial(40, np.full(40, 1 / 40), size=80)
    differences = first.values(weights) - second.values(weights)
    means = differences.mean(axis=1)
    result = paired_bootstrap(first, second, 80, 0.8, seed=9)
    assert result.mean.estimate == pytest.approx(first.mean - second.mean)
    assert (result.mean.low, result.mean.high) == pytest.approx(tuple(np.percentile(means, [10, 90])))
    for k, interval in enumerate(result.classes):
        assert (interval.low, interval.high) == pytest.approx(
            tuple(np.percentile(differences[:, k], [10, 90]))
        )
    assert result.first_better == np.mean(means > 0)
    assert result.first_better > 0.9


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_turning_the_pair_round_turns_the_sign(seed: int) -> None:
    first, second = random_ranking(seed), random_ranking(seed, skill=0.5)
    one, other = paired_bootstrap(first, second, 40), paired_bootstrap(second, first, 40)
    assert one.mean.estimate == pytest.approx(-other.mean.estimate)
    assert (one.mean.low, one.mean.high) == pytest.approx((-other.mean.high, -other.mean.low))
    assert one.first_better == pytest.approx(1 - other.first_better)


def test_pairing_is_sharper_than_two_separate_intervals() -> None:
    # The second ranking is the first with a little noise, so a draw changes both in similar ways.
    rng = np.random.default_rng(0)
    labels = rng.choice([-1, -1, -1, 1], (200, 5))
    scores = labels + rng.normal(size=(200, 5))
    first = classification_ranking(scores, labels)
    second = classification_ranking(scores + 0.1 * rng.normal(size=scores.shape), labels)
    paired = paired_bootstrap(first, second, 200).mean
    alone = bootstrap_intervals(first, 200).mean
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_refusals() -> None:
    ranking = random_ranking(1)
    with pytest.raises(FreelocError, match="resamples is 0"):
        bootstrap_intervals(ranking, resamples=0)
    with pytest.raises(FreelocError, match="level is 95"):
        bootstrap_intervals(ranking, level=95)
    with pytest.raises(FreelocError, match="no images"):
        bootstrap_intervals(classification_ranking(np.zeros((0, 2)), np.zeros((0, 2))))
    with pytest.raises(ValueError, match="40 and 30 images"):
        paired_bootstrap(ranking, random_ranking(1, n=30))
    with pytest.raises(ValueError, match="3 and 2 classes"):
        paired_bootstrap(ranking, random_ranking(1, k=2))

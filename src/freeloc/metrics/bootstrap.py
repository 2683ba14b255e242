"""Percentile bootstrap confidence intervals over images.

Each resample draws N images with replacement from the N images; an image is always drawn with all its
classes. A resample is represented by one integer weight per image, so a metric sorts its scores only once; for
each resample, it recomputes only weighted sums.

A class that has no positives in a resample has no value there (NaN): its interval leaves that resample out,
and the mean of the resample covers only the other classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from freeloc._typing import Float64Array
from freeloc.errors import ConfigurationError, DatasetError, check_seed
from freeloc.metrics.weighted_metric import WeightedMetric, class_means

__all__ = [
    "BootstrapResult",
    "Interval",
    "PairedBootstrap",
    "bootstrap_intervals",
    "paired_bootstrap",
]

_CHUNK = 2**19
"""Maximum number of weights (resamples times images) held in memory at once: a few arrays of 4 MiB."""


@dataclass(frozen=True)
class Interval:
    """A value measured on all images, with its bootstrap interval.

    Attributes:
        estimate: the value on the original images.
        low: lower end of the interval; NaN if no resample had a value.
        high: upper end of the interval; NaN if no resample had a value.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class BootstrapResult:
    """Bootstrap intervals of one metric.

    Attributes:
        classes: K intervals, one per class.
        mean: interval of the mean over classes.
        level: fraction of the resamples that an interval contains, such as 0.95.
        resamples: number of resamples.
        seed: seed of the draws.
    """

    classes: tuple[Interval, ...]
    mean: Interval
    level: float
    resamples: int
    seed: int


@dataclass(frozen=True)
class PairedBootstrap(BootstrapResult):
    """Bootstrap intervals of the difference between two metrics, first minus second, over the same draws.

    Attributes:
        first_better: fraction of the resamples in which the first metric has the higher mean; ties count half.
    """

    first_better: float


def _check(metric: WeightedMetric, resamples: int, level: float) -> None:
    if resamples < 1:
        raise ConfigurationError(
            f"resamples is {resamples}: it must be at least 1, such as 1000", parameter="resamples"
        )
    if not 0 < level < 1:
        raise ConfigurationError(
            f"level is {level:g}: it must be between 0 and 1, such as 0.95", parameter="level"
        )
    if metric.n_images < 1:
        raise DatasetError("there are no images to resample: use a dataset with at least one image")


def _draws(n_images: int, resamples: int, seed: int) -> Iterator[Float64Array]:
    """Yield chunks of (b, N) weights, ``resamples`` rows in total; the values do not depend on the chunk size."""
    check_seed(seed)
    generator = np.random.default_rng(seed)
    probabilities = np.full(n_images, 1 / n_images)
    step = max(1, _CHUNK // n_images)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        yield generator.multinomial(n_images, probabilities, size=count).astype(np.float64)


def _interval(estimate: float, resampled: Float64Array, level: float) -> Interval:
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return Interval(estimate, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high))


def _intervals(
    estimate: Float64Array, resampled: Float64Array, level: float
) -> tuple[tuple[Interval, ...], Interval]:
    classes = tuple(
        _interval(float(e), column, level) for e, column in zip(estimate, resampled.T, strict=True)
    )
    return classes, _interval(float(class_means(estimate)), class_means(resampled), level)


def bootstrap_intervals(
    metric: WeightedMetric, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> BootstrapResult:
    """Compute percentile intervals of a metric, for every class and for the mean over classes.

    Args:
        metric: the metric, such as a `freeloc.metrics.ranking.Ranking` (classification or location average
            precision) or `freeloc.metrics.pointing_game.HitCounts` (pointing game).
        resamples: number of resamples.
        level: fraction of the resamples that an interval contains; the rest is split equally between the two
            tails.
        seed: seed of the draws; equal seeds yield equal intervals.

    Raises:
        ConfigurationError: ``resamples`` is below 1, or ``level`` is outside (0, 1).
        DatasetError: there are no images.
    """
    _check(metric, resamples, level)
    estimate = metric.values(np.ones((1, metric.n_images)))[0]
    draws = _draws(metric.n_images, resamples, seed)
    resampled = np.concatenate([metric.values(weights) for weights in draws])
    classes, mean = _intervals(estimate, resampled, level)
    return BootstrapResult(classes, mean, level, resamples, seed)


def paired_bootstrap(
    first: WeightedMetric,
    second: WeightedMetric,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedBootstrap:
    """Compute intervals of the difference between two metrics on the same images, first minus second.

    Both metrics use the same draws, so effects common to both cancel. The mean covers only the classes that
    have a value in both metrics.

    Args:
        first: a metric on N images.
        second: a metric on the same images, in the same order and with the same classes.
        resamples: number of resamples.
        level: fraction of the resamples that an interval contains.
        seed: seed of the draws.

    Raises:
        ConfigurationError: ``resamples`` is below 1, or ``level`` is outside (0, 1).
        DatasetError: there are no images.
        ValueError: the metrics have different numbers of images or classes.
    """
    _check(first, resamples, level)
    if first.n_images != second.n_images:
        raise ValueError(
            f"the metrics have {first.n_images} and {second.n_images} images: compare metrics of the same images"
        )
    ones = np.ones((1, first.n_images))
    one, other = first.values(ones)[0], second.values(ones)[0]
    if one.shape != other.shape:
        raise ValueError(
            f"the metrics have {len(one)} and {len(other)} classes: compare metrics of the same classes"
        )
    draws = _draws(first.n_images, resamples, seed)
    resampled = np.concatenate([first.values(weights) - second.values(weights) for weights in draws])
    classes, mean = _intervals(one - other, resampled, level)
    means = class_means(resampled)
    means = means[~np.isnan(means)]
    better = float(np.mean((means > 0) + 0.5 * (means == 0))) if len(means) else float("nan")
    return PairedBootstrap(classes, mean, level, resamples, seed, better)

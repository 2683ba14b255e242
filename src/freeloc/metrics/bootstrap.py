"""How far a metric would move on other images: percentile bootstrap intervals.

The image is what is drawn: each resample draws N images of N with replacement, and an image
brings all its classes along. A draw is a whole-number weight per image, so a metric sorts its scores
once and only sums change from one resample to the next.

A resample that holds no positive of a class says nothing about that class: its value is NaN, it is left out
of the class's interval, and the mean of that resample is over the classes that it does hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.errors import FreelocError
from freeloc.metrics.average_precision import class_means

__all__ = [
    "BootstrapResult",
    "Interval",
    "PairedBootstrap",
    "WeightedMetric",
    "bootstrap_intervals",
    "paired_bootstrap",
]

_CHUNK = 2**19
"""Weights held at a time, resamples times images: a few arrays of 4 MiB."""


class WeightedMetric(Protocol):
    """A metric over N images and K classes that can be weighted; `Ranking` and `Tally` are two."""

    @property
    def n_images(self) -> int:
        """Number of images, N."""

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """(B, N) weights to (B, K) float64 values; NaN where a class has nothing to measure."""


@dataclass(frozen=True)
class Interval:
    """A value measured on all images and the interval its resamples fall in.

    Attributes:
        estimate: the value on the images as they are.
        low: lower end; NaN if no resample had a value.
        high: upper end; NaN if no resample had a value.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class BootstrapResult:
    """Intervals of one metric.

    Attributes:
        classes: K intervals.
        mean: interval of the mean over classes.
        level: share of the resamples inside an interval, such as 0.95.
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
    """Intervals of the difference, first metric minus second, on the same draws.

    Attributes:
        first_better: share of the resamples in which the mean of the first is the higher one; an equal
            mean counts half.
    """

    first_better: float


def _check(metric: WeightedMetric, resamples: int, level: float) -> None:
    if resamples < 1:
        raise FreelocError(f"the number of bootstrap resamples is {resamples}: give at least 1, such as 1000")
    if not 0 < level < 1:
        raise FreelocError(f"the bootstrap level is {level:g}: give a share between 0 and 1, such as 0.95")
    if metric.n_images < 1:
        raise FreelocError("there are no images to draw from: give a data set with at least one image")


def _draws(n_images: int, resamples: int, seed: int) -> Iterator[Float64Array]:
    """Chunks of (b, N) weights, b summing to ``resamples``; the same numbers whatever the chunk's size."""
    generator = np.random.default_rng(seed)
    share = np.full(n_images, 1 / n_images)
    at_once = max(1, _CHUNK // n_images)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        yield generator.multinomial(n_images, share, size=count).astype(np.float64)


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
    """Percentile intervals of a metric, for every class and for the mean over classes.

    Args:
        metric: a `freeloc.metrics.average_precision.Ranking` (classification or location average precision)
            or a `freeloc.metrics.pointing_game.Tally` (pointing game).
        resamples: number of resamples.
        level: share of the resamples inside an interval; what is outside is halved between the two ends.
        seed: seed of the draws; the same seed gives the same intervals.

    Raises:
        FreelocError: no images, no resamples, or a level outside (0, 1).
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
    """Intervals of the difference of two metrics on the same images, first minus second.

    Both see the same draws, so what makes a draw easy or hard cancels. The mean is over the classes that
    have a value in both.

    Args:
        first: a metric of the images.
        second: a metric of the same images in the same order, with the same classes.
        resamples: number of resamples.
        level: share of the resamples inside an interval.
        seed: seed of the draws.

    Raises:
        FreelocError: no images, no resamples, or a level outside (0, 1).
        ValueError: the metrics have different numbers of images or classes.
    """
    _check(first, resamples, level)
    if first.n_images != second.n_images:
        raise ValueError(f"{first.n_images} images against {second.n_images}: not a pair")
    ones = np.ones((1, first.n_images))
    one, other = first.values(ones)[0], second.values(ones)[0]
    if one.shape != other.shape:
        raise ValueError(f"{len(one)} classes against {len(other)}: not a pair")
    draws = _draws(first.n_images, resamples, seed)
    resampled = np.concatenate([first.values(weights) - second.values(weights) for weights in draws])
    classes, mean = _intervals(one - other, resampled, level)
    means = class_means(resampled)
    means = means[~np.isnan(means)]
    share = float(np.mean((means > 0) + 0.5 * (means == 0))) if len(means) else float("nan")
    return PairedBootstrap(classes, mean, level, resamples, seed, share)

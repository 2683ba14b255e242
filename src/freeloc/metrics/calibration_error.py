"""Whether probabilities are true: of all pairs called 70% sure, seven in ten should be right.

A pair is an image and a class. Pairs with label 0 take no part. Two ways of averaging are offered: *pooled*
puts the pairs of all classes into one set of bins, *per class* gives each class bins of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from freeloc._choices import Binning
from freeloc._typing import BoolArray, Float64Array, IntpArray
from freeloc.errors import FreelocError, check_choice
from freeloc.metrics.bootstrap import BootstrapResult, Interval, bootstrap_intervals

__all__ = [
    "Binning",
    "BrierScore",
    "CalibrationError",
    "CalibrationOptions",
    "CalibrationResult",
    "ReliabilityBins",
    "brier_score",
    "calibration_error",
    "measure_calibration",
    "reliability_bins",
]


@dataclass(frozen=True)
class CalibrationOptions:
    """How probabilities are sorted into bins; docs/metrics.md says why each default is what it is.

    Attributes:
        bins: how many.
        binning: see `Binning`.

    Raises:
        FreelocError: there are no bins, or the binning is not known.
    """

    bins: int = 15
    binning: Binning = "width"

    def __post_init__(self) -> None:
        check_choice("the calibration binning", self.binning, Binning)
        if self.bins < 1:
            raise FreelocError(f"the number of calibration bins is {self.bins}: give at least 1, such as 15")


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Pairs in bins of their probability, for a reliability diagram.

    Attributes:
        edges: (B + 1,) float64, rising from 0 to 1. A probability on an edge belongs to the bin above it.
        counts: (B,) float64, pairs in each bin.
        confidence: (B,) float64, their mean probability; NaN where the bin is empty.
        frequency: (B,) float64, the share of them whose class is present; NaN likewise.
    """

    edges: Float64Array
    counts: Float64Array
    confidence: Float64Array
    frequency: Float64Array

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over pairs of their bin's |frequency − confidence|."""
        filled = self.counts > 0
        gaps = np.abs(self.frequency[filled] - self.confidence[filled])
        return float(gaps @ self.counts[filled] / self.counts.sum()) if filled.any() else float("nan")


def _checked(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[Float64Array, BoolArray, BoolArray]:
    """(N, K) probabilities, which classes are present, and which pairs are known."""
    share, label = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if share.shape != label.shape or share.ndim != 2:
        raise ValueError(f"probabilities {share.shape} and labels {label.shape} must both be (N, K)")
    if not np.isin(label, (-1, 0, 1)).all():
        raise ValueError("labels must be -1 (absent), 0 (left out) or +1 (present)")
    known = label != 0
    if not ((share[known] >= 0) & (share[known] <= 1)).all():  # NaN is neither
        raise FreelocError(
            "a probability is not between 0 and 1: check the model that gave it, or turn raw scores into "
            "probabilities first"
        )
    return share, label > 0, known


def _shares(part: Float64Array, whole: Float64Array) -> Float64Array:
    """Parts of a whole each; NaN where there is nothing."""
    shares: Float64Array = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return shares


def _edges(share: Float64Array, options: CalibrationOptions) -> Float64Array:
    """Rising edges from 0 to 1; fewer bins than asked for where many probabilities are one and the same."""
    if options.binning == "width" or not len(share):
        return np.linspace(0, 1, options.bins + 1)
    ordered = np.sort(share)
    # The first of each bin opens it: all that equal it come along.
    inner = ordered[(len(ordered) * np.arange(1, options.bins)) // options.bins]
    inner = np.unique(inner[(inner > ordered[0]) & (inner < 1)])
    return np.concatenate(([0.0], inner, [1.0]))


def _places(share: Float64Array, edges: Float64Array) -> IntpArray:
    """The bin of each probability; 1 belongs to the last."""
    return np.minimum(np.searchsorted(edges, share, side="right") - 1, len(edges) - 2)


def reliability_bins(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, options: CalibrationOptions | None = None
) -> ReliabilityBins:
    """Sort all known pairs into bins of their probability, the classes together.

    Args:
        probabilities: (N, K) from 0 to 1.
        labels: (N, K) +1 present, −1 absent, 0 left out. For a single class give (N, 1).
        options: the bins.

    Raises:
        FreelocError: a probability that counts is not between 0 and 1.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    share, present, known = _checked(probabilities, labels)
    share, right = share[known], present[known]
    edges = _edges(share, options or CalibrationOptions())
    places, bins = _places(share, edges), len(edges) - 1
    counts = np.bincount(places, minlength=bins).astype(np.float64)
    confidence, frequency = (
        _shares(np.bincount(places, values, bins).astype(np.float64), counts)
        for values in (share, right.astype(np.float64))
    )
    return ReliabilityBins(edges, counts, confidence, frequency)


def calibration_error(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, options: CalibrationOptions | None = None
) -> float:
    """Expected calibration error over all known pairs, pooled; NaN where there are none.

    The arguments and errors are those of `reliability_bins`.
    """
    return reliability_bins(probabilities, labels, options).error


@dataclass(frozen=True, eq=False)
class CalibrationError:
    """The expected calibration error of N images, in the form the bootstrap takes.

    The bins are those of the images as they are, under every weighting: for equal mass they would otherwise
    move from one resample to the next.

    Attributes:
        probabilities: (N, K) from 0 to 1.
        labels: (N, K) +1 present, −1 absent, 0 left out.
        options: the bins.
        pooled: one value over the pairs of all classes, as if there were a single one; else one per class.

    Raises:
        FreelocError: a probability that counts is not between 0 and 1.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """

    probabilities: npt.ArrayLike
    labels: npt.ArrayLike
    options: CalibrationOptions = field(default_factory=CalibrationOptions)
    pooled: bool = False

    def __post_init__(self) -> None:
        _checked(self.probabilities, self.labels)

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return len(np.asarray(self.labels))

    @property
    def n_groups(self) -> int:
        """How many values: 1 where they are pooled, K else."""
        return 1 if self.pooled else int(np.asarray(self.labels).shape[1])

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """The error under many weightings of the images.

        Args:
            weights: (B, N) not negative; a whole number counts an image that many times.

        Returns:
            (B, 1) float64 where it is pooled, (B, K) else; NaN where nothing is known under a weighting.
        """
        weight = np.asarray(weights, dtype=np.float64)
        share, present, known = _checked(self.probabilities, self.labels)
        groups = [slice(None)] if self.pooled else [slice(k, k + 1) for k in range(share.shape[1])]
        parts = [self._error(share[:, own], present[:, own], known[:, own], weight) for own in groups]
        return np.stack(parts, axis=1)

    def _error(
        self, share: Float64Array, present: BoolArray, known: BoolArray, weight: Float64Array
    ) -> Float64Array:
        edges = _edges(share[known], self.options)
        # What each image adds to the gap of each bin; a weighting then only adds rows up.
        gaps = np.zeros((len(share), len(edges) - 1))
        np.add.at(gaps, (np.nonzero(known)[0], _places(share[known], edges)), (present - share)[known])
        return _shares(np.abs(weight @ gaps).sum(axis=1), weight @ known.sum(axis=1))


@dataclass(frozen=True, eq=False)
class BrierScore:
    """The mean squared difference of probability and truth (1 or 0), in the form the bootstrap takes.

    The attributes and errors are those of `CalibrationError`.
    """

    probabilities: npt.ArrayLike
    labels: npt.ArrayLike
    pooled: bool = False

    def __post_init__(self) -> None:
        _checked(self.probabilities, self.labels)

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return len(np.asarray(self.labels))

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """(B, N) weights to (B, 1) where it is pooled, (B, K) else; NaN where nothing is known."""
        weight = np.asarray(weights, dtype=np.float64)
        share, present, known = _checked(self.probabilities, self.labels)
        squares = np.where(known, (present - share) ** 2, 0.0)
        if self.pooled:
            squares, counts = squares.sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True)
        else:
            counts = known.astype(np.intp)
        return _shares(weight @ squares, weight @ counts)


def brier_score(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Mean squared difference of probability and truth over all known pairs; NaN where there are none."""
    metric = BrierScore(probabilities, labels, pooled=True)
    return float(metric.values(np.ones((1, metric.n_images)))[0, 0])


@dataclass(frozen=True)
class CalibrationResult:
    """How true the probabilities of N images and K classes are.

    Attributes:
        error: expected calibration error over all pairs, pooled.
        per_class: the same for each class in bins of its own, and its mean over classes.
        brier: Brier score over all pairs.
        options: the bins.
    """

    error: Interval
    per_class: BootstrapResult
    brier: Interval
    options: CalibrationOptions


def measure_calibration(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    options: CalibrationOptions | None = None,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> CalibrationResult:
    """Calibration errors and Brier score with their bootstrap intervals.

    Args:
        probabilities: (N, K) from 0 to 1.
        labels: (N, K) +1 present, −1 absent, 0 left out.
        options: the bins.
        resamples: number of resamples.
        level: share of the resamples inside an interval.
        seed: seed of the draws.

    Raises:
        FreelocError: a probability that counts is not between 0 and 1, or there are no images or resamples.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    options = options or CalibrationOptions()
    pooled = CalibrationError(probabilities, labels, options, pooled=True)
    classes = CalibrationError(probabilities, labels, options)
    brier = BrierScore(probabilities, labels, pooled=True)
    error, per_class, squares = (
        bootstrap_intervals(metric, resamples, level, seed) for metric in (pooled, classes, brier)
    )
    return CalibrationResult(error.mean, per_class, squares.mean, options)

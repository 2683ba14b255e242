"""Calibration of probabilities: among pairs with probability 0.7, is the class present in seven out of ten?

A pair is an image and a class. Pairs with label 0 are left out; all others are *known*. Errors are computed in two
ways: *pooled* sorts the pairs of all classes into one set of bins; *per class* uses separate bins for each class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from freeloc._literals import Binning
from freeloc._typing import BoolArray, Float64Array, IntpArray
from freeloc._validation import check_fields
from freeloc.errors import ConfigurationError
from freeloc.metrics.bootstrap import BootstrapResult, Interval, bootstrap_intervals
from freeloc.metrics.precision_recall import check_labels
from freeloc.metrics.weighted_metric import WeightedMetric

__all__ = [
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
    """Options for sorting probabilities into bins; docs/metrics.md explains each default.

    Attributes:
        bins: number of bins.
        binning: see `freeloc.metrics.Binning`.

    Raises:
        ConfigurationError: there are no bins, or the binning is unknown.
    """

    bins: Annotated[int, Meta(ge=1, le=100_000)] = 15
    binning: Binning = "width"

    def __post_init__(self) -> None:
        check_fields(self, {"bins": "calibration_bins", "binning": "calibration_binning"})


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Pairs sorted into bins by probability, for a reliability diagram.

    Attributes:
        edges: (B + 1,) float64, ascending from 0 to 1. A probability on an edge belongs to the bin above it.
        counts: (B,) float64, number of pairs in each bin.
        probability: (B,) float64, mean probability in each bin; NaN in empty bins.
        frequency: (B,) float64, fraction of the pairs in each bin whose class is present; NaN in empty bins.
    """

    edges: Float64Array
    counts: Float64Array
    probability: Float64Array
    frequency: Float64Array

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |frequency − probability| over bins, weighted by their counts."""
        filled = self.counts > 0
        gaps = np.abs(self.frequency[filled] - self.probability[filled])
        return float(gaps @ self.counts[filled] / self.counts.sum()) if filled.any() else float("nan")


def _check_pairs(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[Float64Array, BoolArray, BoolArray]:
    """Validate the inputs; return (N, K) arrays of probabilities, presence flags and known-label flags."""
    probability, label = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if probability.shape != label.shape or probability.ndim != 2:
        raise ValueError(f"probabilities {probability.shape} and labels {label.shape} must both be (N, K)")
    check_labels(label)
    known = label != 0
    if not ((probability[known] >= 0) & (probability[known] <= 1)).all():  # NaN fails this check too
        raise ConfigurationError(
            "a probability is not between 0 and 1: check the model that computed it, or convert raw scores to "
            "probabilities first",
            parameter="probabilities",
        )
    return probability, label > 0, known


def _divide(sums: Float64Array, counts: Float64Array) -> Float64Array:
    """Divide sums by counts; NaN where the count is 0."""
    means: Float64Array = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def _edges(probability: Float64Array, options: CalibrationOptions) -> Float64Array:
    """Return ascending bin edges from 0 to 1; ties can leave fewer bins than requested."""
    if options.binning == "width" or not len(probability):
        return np.linspace(0, 1, options.bins + 1)
    ordered = np.sort(probability)
    # Each bin starts at its first member, so equal probabilities share a bin.
    inner = ordered[(len(ordered) * np.arange(1, options.bins)) // options.bins]
    inner = np.unique(inner[(inner > ordered[0]) & (inner < 1)])
    return np.concatenate(([0.0], inner, [1.0]))


def _bin_of(probability: Float64Array, edges: Float64Array) -> IntpArray:
    """Return the bin of each probability; 1 belongs to the last bin."""
    return np.minimum(np.searchsorted(edges, probability, side="right") - 1, len(edges) - 2)


def reliability_bins(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, options: CalibrationOptions | None = None
) -> ReliabilityBins:
    """Sort all known pairs into bins by probability, with all classes pooled.

    Args:
        probabilities: (N, K) from 0 to 1.
        labels: (N, K) +1 present, −1 absent, 0 ignored. For a single class, pass (N, 1) arrays.
        options: binning options; None for the defaults.

    Raises:
        ConfigurationError: the probability of a known pair is not between 0 and 1.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    probability, present, known = _check_pairs(probabilities, labels)
    probability, present = probability[known], present[known]
    edges = _edges(probability, options or CalibrationOptions())
    index, bins = _bin_of(probability, edges), len(edges) - 1
    counts = np.bincount(index, minlength=bins).astype(np.float64)
    means, frequency = (
        _divide(np.bincount(index, values, bins).astype(np.float64), counts)
        for values in (probability, present.astype(np.float64))
    )
    return ReliabilityBins(edges, counts, means, frequency)


def calibration_error(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, options: CalibrationOptions | None = None
) -> float:
    """Compute the pooled expected calibration error over all known pairs; NaN if no pair is known.

    For arguments and errors, see `reliability_bins`.
    """
    return reliability_bins(probabilities, labels, options).error


@dataclass(frozen=True, eq=False)
class CalibrationError(WeightedMetric):
    """Expected calibration error on N images, as a weighted metric.

    Every weighting uses the bins of the unweighted images; bins of equal mass would otherwise change from one
    resample to the next.

    Attributes:
        probabilities: (N, K) from 0 to 1.
        labels: (N, K) +1 present, −1 absent, 0 ignored.
        options: binning options.
        pooled: whether to compute a single value from the pairs of all classes, instead of one value per class.

    Raises:
        ConfigurationError: the probability of a known pair is not between 0 and 1.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """

    probabilities: npt.ArrayLike
    labels: npt.ArrayLike
    options: CalibrationOptions = field(default_factory=CalibrationOptions)
    pooled: bool = False

    def __post_init__(self) -> None:
        _check_pairs(self.probabilities, self.labels)

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return len(np.asarray(self.labels))

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Compute the error for B weightings of the images.

        Args:
            weights: (B, N), non-negative; an integer weight w counts an image w times.

        Returns:
            (B, 1) float64 if pooled, else (B, K); NaN where a weighting contains no known pair.
        """
        weight = self._weight_rows(weights)
        probability, present, known = _check_pairs(self.probabilities, self.labels)
        groups = [slice(None)] if self.pooled else [slice(k, k + 1) for k in range(probability.shape[1])]
        columns = [
            self._error(probability[:, group], present[:, group], known[:, group], weight) for group in groups
        ]
        return np.stack(columns, axis=1)

    def _error(
        self, probability: Float64Array, present: BoolArray, known: BoolArray, weight: Float64Array
    ) -> Float64Array:
        edges = _edges(probability[known], self.options)
        # Row i is image i's contribution to the gap of each bin; a weighted sum of the rows gives the total gaps.
        gaps = np.zeros((len(probability), len(edges) - 1))
        rows = np.nonzero(known)[0]
        np.add.at(gaps, (rows, _bin_of(probability[known], edges)), (present - probability)[known])
        return _divide(np.abs(weight @ gaps).sum(axis=1), weight @ known.sum(axis=1))


@dataclass(frozen=True, eq=False)
class BrierScore(WeightedMetric):
    """Mean squared difference between probability and presence (1 or 0), as a weighted metric.

    For attributes and errors, see `CalibrationError`.
    """

    probabilities: npt.ArrayLike
    labels: npt.ArrayLike
    pooled: bool = False

    def __post_init__(self) -> None:
        _check_pairs(self.probabilities, self.labels)

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return len(np.asarray(self.labels))

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Compute the score for B weightings of the images; for arguments and shapes, see `CalibrationError`."""
        weight = self._weight_rows(weights)
        probability, present, known = _check_pairs(self.probabilities, self.labels)
        squares = np.where(known, (present - probability) ** 2, 0.0)
        if self.pooled:
            squares, counts = squares.sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True)
        else:
            counts = known.astype(np.intp)
        return _divide(weight @ squares, weight @ counts)


def brier_score(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Compute the mean squared difference between probability and presence over all known pairs.

    The result is NaN if no pair is known. For arguments and errors, see `reliability_bins`.
    """
    return float(BrierScore(probabilities, labels, pooled=True).per_class[0])


@dataclass(frozen=True)
class CalibrationResult:
    """Calibration of the probabilities of N images and K classes.

    Attributes:
        error: expected calibration error over all pairs, pooled.
        per_class: calibration error of each class, computed in its own bins, and the mean over classes.
        brier: Brier score over all pairs.
        options: binning options.
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
    """Compute calibration errors and the Brier score with their bootstrap intervals.

    Args:
        probabilities: (N, K) from 0 to 1.
        labels: (N, K) +1 present, −1 absent, 0 ignored.
        options: binning options; None for the defaults.
        resamples: number of resamples.
        level: fraction of the resamples that an interval contains.
        seed: seed of the draws.

    Raises:
        ConfigurationError: ``resamples`` is below 1, or the probability of a known pair is not between 0 and 1.
        DatasetError: there are no images.
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

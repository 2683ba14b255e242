"""How true a model's probabilities are on a data set, as reports tell it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from freeloc.metrics import (
    BootstrapResult,
    CalibrationOptions,
    CalibrationResult,
    Interval,
    ReliabilityBins,
    measure_calibration,
    reliability_bins,
)

__all__ = ["CalibrationReport", "calibration_report", "interval_as_json", "measure_as_json"]


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """How true a model's probabilities are.

    Attributes:
        name: what the table calls the model.
        calibrated: whether they are those of a calibration, or the paper's equation 2.
        result: calibration errors and Brier score.
        bins: what the pooled error is made of, for a reliability diagram.
    """

    name: str
    calibrated: bool
    result: CalibrationResult
    bins: ReliabilityBins

    def as_json(self, classes: Sequence[str]) -> dict[str, Any]:
        """Plain JSON values; errors and scores are percentages, and so is what the bins hold."""
        own = self.bins
        bins = zip(own.edges[:-1], own.edges[1:], own.counts, own.confidence, own.frequency, strict=True)
        return {
            "name": self.name,
            "calibrated": self.calibrated,
            "error": interval_as_json(self.result.error),
            "error_per_class": measure_as_json(self.result.per_class, classes),
            "brier": interval_as_json(self.result.brier),
            "bins": [
                {
                    "from": _percent(low),
                    "to": _percent(high),
                    "pairs": int(count),
                    "probability": _percent(confidence),
                    "present": _percent(frequency),
                }
                for low, high, count, confidence, frequency in bins
            ],
        }


def calibration_report(
    name: str,
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    options: CalibrationOptions,
    *,
    calibrated: bool,
    resamples: int = 1000,
    seed: int = 0,
) -> CalibrationReport:
    """Measure probabilities.

    Args:
        name: what the table calls the model.
        probabilities: (N, K) from 0 to 1.
        labels: (N, K) in {−1, 0, +1}.
        options: the bins.
        calibrated: kept in the result.
        resamples: bootstrap resamples over images.
        seed: of the resamples.

    Raises:
        FreelocError: a probability that counts is not between 0 and 1, or there is no image.
    """
    result = measure_calibration(probabilities, labels, options, resamples=resamples, seed=seed)
    return CalibrationReport(name, calibrated, result, reliability_bins(probabilities, labels, options))


def measure_as_json(result: BootstrapResult, classes: Sequence[str]) -> dict[str, Any]:
    """A measure's mean and classes as plain JSON values: percentages, null where there is nothing to measure."""
    named = zip(classes, result.classes, strict=True)
    return {
        "mean": interval_as_json(result.mean),
        "classes": {name: interval_as_json(value) for name, value in named},
    }


def interval_as_json(interval: Interval) -> dict[str, float | None]:
    """Value and ends in percent; NaN is null."""
    ends = {"value": interval.estimate, "low": interval.low, "high": interval.high}
    return {key: _percent(end) for key, end in ends.items()}


def _percent(value: float) -> float | None:
    return None if math.isnan(value) else round(100 * float(value), 3)

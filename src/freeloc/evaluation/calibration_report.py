"""Calibration of a model's probabilities on a dataset, for reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from freeloc.evaluation.to_json import interval_as_json, measure_as_json, percent
from freeloc.metrics import (
    CalibrationOptions,
    CalibrationResult,
    ReliabilityBins,
    measure_calibration,
    reliability_bins,
)

__all__ = ["CalibrationReport", "calibration_report"]


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """Calibration of a model's probabilities.

    Attributes:
        name: model name shown in tables.
        calibrated: True if the probabilities come from a calibration, False if they come from the paper's
            equation 2.
        result: calibration errors and Brier score.
        bins: the bins of the pooled error, for a reliability diagram.
    """

    name: str
    calibrated: bool
    result: CalibrationResult
    bins: ReliabilityBins

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON values; errors, scores, probabilities and frequencies are in percent."""
        columns = (self.bins.counts, self.bins.probability, self.bins.frequency)
        bins = zip(self.bins.edges[:-1], self.bins.edges[1:], *columns, strict=True)
        return {
            "name": self.name,
            "calibrated": self.calibrated,
            "error": interval_as_json(self.result.error),
            "error_per_class": measure_as_json(self.result.per_class, classes),
            "brier": interval_as_json(self.result.brier),
            "bins": [
                {
                    "from": percent(low),
                    "to": percent(high),
                    "pairs": int(count),
                    "probability": percent(probability),
                    "present": percent(frequency),
                }
                for low, high, count, probability, frequency in bins
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
    """Measure the calibration of a model's probabilities.

    Args:
        name: model name shown in tables.
        probabilities: (N, K) from 0 to 1.
        labels: (N, K) values −1, 0 or +1.
        options: binning options.
        calibrated: whether the probabilities come from a calibration.
        resamples: number of bootstrap resamples over images.
        seed: seed of the resampling.

    Raises:
        ConfigurationError: the probability of a known pair is not between 0 and 1.
        DatasetError: there are no images.
    """
    result = measure_calibration(probabilities, labels, options, resamples=resamples, seed=seed)
    return CalibrationReport(name, calibrated, result, reliability_bins(probabilities, labels, options))

"""Fit a calibration to new images, and measure by cross-validation whether it helps.

A calibration fitted to a few images may be worse than the one that a model already has. Its error on the images to
which it was fitted does not show this. Here, each image is judged by a calibration that was fitted without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from freeloc._typing import BoolArray, Float32Array, Float64Array
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, Labels
from freeloc.datasets.folds import stratified_folds
from freeloc.metrics import calibration_error
from freeloc.models.calibration import Calibration, logistic
from freeloc.models.platt_scaling import fit_calibration

__all__ = ["CalibrationComparison", "ErrorPair", "compare_by_folds", "informative_classes", "recalibrate"]

_FOLDS: Final = 5

_MAX_REPEATS: Final = 5
"""Maximum number of divisions into folds over which results are averaged. With few images, they differ."""

_CLEARLY: Final = 1.645
"""Number of standard errors by which the log loss must fall: the 95th percentile of the normal distribution."""

_IMAGES_PER_RUN: Final = 2000
"""The number of images beyond which the division into folds is not repeated."""


@dataclass(frozen=True, slots=True)
class ErrorPair:
    """An error before and after calibration.

    Attributes:
        before: the error of the model as it is.
        after: the error with a calibration fitted to other images of the same dataset.
    """

    before: float
    after: float


@dataclass(frozen=True, slots=True)
class CalibrationComparison:
    """A model before and after calibration, measured by cross-validation.

    Attributes:
        folds: number of folds.
        repeats: number of divisions into folds over which results are averaged.
        error: calibration errors, over all known pairs of an image and a class.
        log_loss: mean negative logarithms of the probability of the right answer, over the same pairs.
        standard_error: standard error of the difference between the two log losses, which chance alone explains.
    """

    folds: int
    repeats: int
    error: ErrorPair
    log_loss: ErrorPair
    standard_error: float

    @property
    def helps(self) -> bool:
        """Whether the calibration clearly lowers the log loss, and does not raise the calibration error.

        Of calibrations that do not help, about one in twenty lowers the log loss by so much by chance.
        """
        gain = self.log_loss.before - self.log_loss.after
        return gain > _CLEARLY * self.standard_error and self.error.after <= self.error.before

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; errors are fractions."""
        pairs = {"calibration_error": self.error, "log_loss": self.log_loss}
        values = {key: {"before": pair.before, "after": pair.after} for key, pair in pairs.items()}
        return {
            "folds": self.folds,
            "repeats": self.repeats,
            **values,
            "standard_error": self.standard_error,
        }

    def describe(self) -> str:
        """Return both pairs of errors as a part of a sentence."""
        return (
            f"calibration error {100 * self.error.before:.1f}% before and {100 * self.error.after:.1f}% after, "
            f"log loss {self.log_loss.before:.4f} before and {self.log_loss.after:.4f} after"
        )


def informative_classes(labels: Labels) -> BoolArray:
    """Return which classes are present in one image and absent from another, as (K,) bool.

    Tags say too little about all others to change their calibration.
    """
    informative: BoolArray = (labels == PRESENT).any(axis=0) & (labels == ABSENT).any(axis=0)
    return informative


def recalibrate(previous: Calibration, scores: Float32Array, labels: Labels) -> Calibration:
    """Return a calibration in which the informative classes are fitted again, and all others are unchanged.

    Args:
        previous: the calibration of the K classes so far.
        scores: (N, K) raw scores.
        labels: (N, K) values −1, 0 or +1.
    """
    fitted = informative_classes(labels)
    new = fit_calibration(scores, np.where(fitted, labels, IGNORE))

    def merge(old: tuple[float, ...], found: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(b if use else a for a, b, use in zip(old, found, fitted.tolist(), strict=True))

    return Calibration(
        merge(previous.slopes, new.slopes),
        merge(previous.offsets, new.offsets),
        merge(previous.thresholds, new.thresholds),
    )


def compare_by_folds(previous: Calibration, scores: Float32Array, labels: Labels) -> CalibrationComparison:
    """Measure by cross-validation what `recalibrate` would change.

    Args:
        previous: the calibration of the K classes so far.
        scores: (N, K) raw scores of at least two images.
        labels: (N, K) values −1, 0 or +1, at least one of them known.
    """
    folds = min(_FOLDS, len(scores))
    repeats = max(1, min(_MAX_REPEATS, _IMAGES_PER_RUN // len(scores)))
    errors, losses = [], np.zeros(scores.shape)
    for seed in range(repeats):
        assigned = stratified_folds(labels, folds, seed)
        odds = np.empty(scores.shape)
        for fold in range(folds):
            held_out = assigned == fold
            odds[held_out] = recalibrate(previous, scores[~held_out], labels[~held_out]).log_odds(
                scores[held_out]
            )
        errors.append(_calibration_error(odds, labels))
        losses += _log_losses(odds, labels) / repeats
    odds = previous.log_odds(scores)
    before, known = _log_losses(odds, labels), labels != IGNORE
    count = int(known.sum())
    gains = (before - losses).sum(axis=1)
    # The error of a ratio of sums over images, whose numbers of known pairs differ.
    residuals = gains - gains.sum() / count * known.sum(axis=1)
    images = len(scores)
    standard_error = float(np.sqrt(images / (images - 1) * (residuals**2).sum()) / count)
    return CalibrationComparison(
        folds,
        repeats,
        ErrorPair(_calibration_error(odds, labels), float(np.mean(errors))),
        ErrorPair(float(before.sum() / count), float(losses.sum() / count)),
        standard_error,
    )


def _calibration_error(odds: Float64Array, labels: Labels) -> float:
    return calibration_error(logistic(odds), labels)


def _log_losses(odds: Float64Array, labels: Labels) -> Float64Array:
    """Return the (N, K) log losses of all pairs; 0 for pairs whose label is not known."""
    losses: Float64Array = np.logaddexp(0, odds) - (labels == PRESENT) * odds
    losses[labels == IGNORE] = 0.0
    return losses

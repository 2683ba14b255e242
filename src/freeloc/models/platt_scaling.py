"""Platt scaling, which fits a calibration to scores and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.errors import ModelError
from freeloc.models.calibration import DEFAULT_THRESHOLD, Calibration, logistic
from freeloc.models.thresholds import best_f1_threshold

__all__ = ["fit_calibration"]

_SLOPE_PRIOR_WEIGHT = 25.0
"""Weight of the quadratic penalty that pulls the slope of a class toward the shared slope. A relative difference
of 20% is one standard deviation of the prior, which a few dozen positives outweigh."""

_SHARED_SLOPE_PRIOR_WEIGHT = 1.0
"""Weight of the penalty that pulls the shared slope toward 1, the slope for scores that are already log-odds. It
matters only if there is almost no data."""

_MAX_STEPS = 100
"""Maximum number of steps of Newton's method, which needs about eight, and of bisection."""


def fit_calibration(
    scores: npt.ArrayLike, labels: npt.ArrayLike, facts: Mapping[str, Any] | None = None
) -> Calibration:
    """Fit slopes, offsets and thresholds to images that were not used for training.

    Slopes and offsets minimize the logistic loss for Platt's targets. Instead of 1 and 0, the targets of a class
    with p positives and n negatives are (p + 1) / (p + 2) and 1 / (n + 2), so that probabilities stay below 1 even
    if the scores separate the class perfectly.

    First, one slope is fitted for all classes together. Then each class gets a separate slope, which a penalty
    pulls toward the shared one; a few dozen positives outweigh the penalty. A class without positives or without
    negatives uses the shared slope. The threshold of a class maximizes F1 (see `freeloc.models.thresholds`);
    without positives, it is 0.5.

    Args:
        scores: (N, K) raw scores.
        labels: (N, K) values −1, 0 or +1; image-class pairs with label 0 are ignored. If all labels of a
            class are 0, its probabilities follow equation 2 of the paper.
        facts: how the scores were computed; stored in the calibration.

    Raises:
        ModelError: a score is not finite.
        ValueError: the shapes differ.
    """
    values, label = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.shape != label.shape or values.ndim != 2:
        raise ValueError(f"scores {values.shape} and labels {label.shape} must both be (N, K)")
    known = label != 0
    if not np.isfinite(values[known]).all():
        raise ModelError("cannot calibrate: some scores are not finite; check the model that computed them")
    values, present = np.where(known, values, 0.0), label > 0
    positives, negatives = present.sum(axis=0), (label < 0).sum(axis=0)
    # Platt, Probabilistic outputs for support vector machines, 1999.
    targets = np.where(present, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    informative = (positives > 0) & (negatives > 0)
    problem = _Problem(values, targets, known)
    shared_slope = (
        problem.columns(informative).fit(1.0, _SHARED_SLOPE_PRIOR_WEIGHT)[0] if informative.any() else 1.0
    )
    fitted = [_fit_class(problem.columns([k]), present[:, k], shared_slope) for k in range(values.shape[1])]
    slopes, offsets, thresholds = zip(*fitted, strict=True) if fitted else ((), (), ())
    return Calibration(slopes, offsets, thresholds, dict(facts or {}))


def _fit_class(
    problem: _Problem, present: npt.NDArray[np.bool_], shared_slope: float
) -> tuple[float, float, float]:
    """Return slope, offset and threshold of one class; ``present`` is (N,)."""
    known = problem.known[:, 0]
    if not known.any():
        return 1.0, 0.0, DEFAULT_THRESHOLD
    label = present[known]
    if label.all() or not label.any() or shared_slope == 0:
        return shared_slope, float(problem.best_offsets(shared_slope)[0]), DEFAULT_THRESHOLD
    slope, offsets = problem.fit(shared_slope, _SLOPE_PRIOR_WEIGHT / shared_slope**2)
    offset = float(offsets[0])
    probabilities = logistic(slope * problem.scores[known, 0] + offset)
    return slope, offset, best_f1_threshold(probabilities, label) if slope > 0 else DEFAULT_THRESHOLD


@dataclass(frozen=True, eq=False)
class _Problem:
    """Logistic regression with one slope and G offsets.

    Attributes:
        scores: (N, G) scores.
        targets: (N, G) target probabilities, strictly between 0 and 1.
        known: (N, G) whether each label is known; every column has at least one known label.
    """

    scores: Float64Array
    targets: Float64Array
    known: npt.NDArray[np.bool_]

    def columns(self, which: Any) -> _Problem:
        """Return the problem restricted to some columns."""
        return _Problem(self.scores[:, which], self.targets[:, which], self.known[:, which])

    def loss(self, slope: float, offsets: Float64Array) -> float:
        """Return the logistic loss."""
        odds = slope * self.scores + offsets
        return float(((np.logaddexp(0, odds) - self.targets * odds) * self.known).sum())

    def best_offsets(self, slope: float) -> Float64Array:
        """Return the (G,) offsets that minimize the loss for a slope.

        With these offsets, the probabilities of each column have the same sum as its targets.
        """
        counts = self.known.sum(axis=0)
        target_sums = (self.targets * self.known).sum(axis=0)
        base = np.log(target_sums / (counts - target_sums))
        odds = slope * self.scores
        # The sum of probabilities increases with the offset, so bisection works for any scores.
        low = base - np.where(self.known, odds, -np.inf).max(axis=0)
        high = base - np.where(self.known, odds, np.inf).min(axis=0)
        for _ in range(_MAX_STEPS):
            middle = (low + high) / 2
            too_low = (logistic(odds + middle) * self.known).sum(axis=0) < target_sums
            low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
        offsets: Float64Array = (low + high) / 2
        return offsets

    def fit(self, prior_slope: float, prior_weight: float) -> tuple[float, Float64Array]:
        """Return the slope, at least 0, and the (G,) offsets that minimize the penalized loss.

        Args:
            prior_slope: slope at which the penalty is zero.
            prior_weight: weight of half the squared difference from ``prior_slope``.
        """
        # With centered scores, slope and offsets are nearly independent.
        means = (self.scores * self.known).sum(axis=0) / self.known.sum(axis=0)
        centered = _Problem((self.scores - means) * self.known, self.targets, self.known)
        slope, offsets = centered.minimize(prior_slope, prior_weight)
        if slope < 0:  # the loss is convex, so 0 is the best allowed slope
            return 0.0, self.best_offsets(0.0)
        return slope, offsets - slope * means

    def minimize(self, prior_slope: float, prior_weight: float) -> tuple[float, Float64Array]:
        """Minimize the penalized loss with Newton's method; the slope may be negative."""

        def penalized_loss(slope: float, offsets: Float64Array) -> float:
            return self.loss(slope, offsets) + prior_weight / 2 * (slope - prior_slope) ** 2

        slope, offsets = prior_slope, self.best_offsets(prior_slope)
        current = penalized_loss(slope, offsets)
        for _ in range(_MAX_STEPS):
            slope_step, offset_steps, decrease = self._newton_step(
                slope, offsets, prior_weight, prior_weight * (slope - prior_slope)
            )
            if decrease < 1e-12 * (1 + current):
                break
            # A full step overshoots if probabilities are close to 0 or 1. The loss is convex, so a
            # sufficiently short step decreases it.
            fraction = 1.0
            while fraction > 1e-9:
                new = slope - fraction * slope_step, offsets - fraction * offset_steps
                if penalized_loss(*new) <= current - 1e-4 * fraction * decrease:
                    break
                fraction /= 2
            else:
                break
            slope, offsets = new
            current = penalized_loss(slope, offsets)
        return slope, offsets

    def _newton_step(
        self, slope: float, offsets: Float64Array, penalty_curvature: float, penalty_gradient: float
    ) -> tuple[float, Float64Array, float]:
        """Return the steps to subtract from slope and offsets, and twice the predicted decrease of the loss."""
        probabilities = logistic(slope * self.scores + offsets)
        error = (probabilities - self.targets) * self.known
        variance = probabilities * (1 - probabilities) * self.known
        slope_gradient = float((error * self.scores).sum()) + penalty_gradient
        offset_gradients = error.sum(axis=0)
        # In the Hessian, each offset interacts only with the slope, so the offsets are eliminated one by one.
        offset_curvatures = np.maximum(variance.sum(axis=0), 1e-12)
        mixed = (variance * self.scores).sum(axis=0)
        slope_curvature = (
            float((variance * self.scores**2).sum())
            + penalty_curvature
            - float((mixed**2 / offset_curvatures).sum())
        )
        slope_step = (slope_gradient - float((mixed * offset_gradients / offset_curvatures).sum())) / max(
            slope_curvature, 1e-12
        )
        offset_steps = (offset_gradients - mixed * slope_step) / offset_curvatures
        return slope_step, offset_steps, slope_gradient * slope_step + float(offset_gradients @ offset_steps)

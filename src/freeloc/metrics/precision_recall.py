"""Precision-recall curves and their average precision.

**Ties.** Predictions with equal scores share one threshold and enter the ranking together, so the result does not
depend on the order of images. scikit-learn groups ties in the same way; the VOC devkit breaks them in
whatever order its sort leaves them. Without ties, all three agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._literals import APFlavour
from freeloc._typing import BoolArray, Float64Array, IntpArray
from freeloc.errors import ConfigurationError

__all__ = [
    "PrecisionRecallCurve",
    "RankedPredictions",
    "Thresholds",
    "check_labels",
    "check_scores",
    "check_vector",
    "check_weights",
    "precision_recall_curve",
    "summarize",
]

_SLACK = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """A precision-recall curve with one entry per threshold, from the highest threshold to the lowest.

    Attributes:
        thresholds: (T,) float64, the distinct scores in descending order.
        precision: (T,) float64, fraction of the predictions at or above the threshold that are correct; 0 if all
            their weights are 0.
        recall: (T,) float64, fraction of the positives found at or above the threshold; NaN without positives.
        envelope: (T,) float64, highest precision at the same or a higher recall; flavour "area" integrates it.
        n_positives: number of positives (weighted), including missed ones.
    """

    thresholds: Float64Array
    precision: Float64Array
    recall: Float64Array
    envelope: Float64Array
    n_positives: float


@dataclass(frozen=True, eq=False)
class Thresholds:
    """The predictions of one class sorted by score, and the thresholds between groups of equal scores.

    Attributes:
        order: (n,) indices of the predictions, highest score first.
        ends: (T,) position in ``order`` of the last prediction of each group of equal scores.
    """

    order: IntpArray
    ends: IntpArray

    @classmethod
    def from_scores(cls, scores: Float64Array) -> Thresholds:
        """Sort (n,) scores and find groups of equal scores."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        # NaN differs from every value, so it ends the last group. Scores are compared rather than subtracted, so
        # that equal infinities are tied.
        return cls(order, np.flatnonzero(ranked != np.append(ranked[1:], np.nan)))

    def containing(self, hits: BoolArray) -> Thresholds:
        """Return only the thresholds of groups that contain a hit.

        Average precision does not depend on the other thresholds: a group without a hit has the same recall as the
        group before it and no higher precision.
        """
        groups = np.searchsorted(self.ends, np.flatnonzero(hits[self.order]))
        return Thresholds(self.order, self.ends[np.unique(groups)])

    def counts(self, hits: BoolArray, weights: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return the weighted counts of correct predictions and of all predictions at or above each threshold.

        Args:
            hits: (n,) bool.
            weights: (n, ...) float64.

        Returns:
            Two (..., T) float64 arrays.
        """
        ranked = weights[self.order]
        positions = np.flatnonzero(hits[self.order])
        found = np.concatenate([np.zeros((1, *ranked.shape[1:])), np.cumsum(ranked[positions], axis=0)])
        correct = found[np.searchsorted(positions, self.ends, side="right")]
        total = np.cumsum(ranked, axis=0)[self.ends]
        # The threshold axis is moved to the end and made contiguous, so that rounding in sums over thresholds does
        # not depend on the number of weightings.
        return np.moveaxis(correct, 0, -1).copy("C"), np.moveaxis(total, 0, -1).copy("C")


def _precision(correct: Float64Array, total: Float64Array) -> Float64Array:
    # A threshold with no weight above it adds no recall, so any finite value works; 0 does not raise the
    # envelope.
    return np.divide(correct, total, out=np.zeros_like(correct), where=total > 0)


def _envelope(precision: Float64Array) -> Float64Array:
    raised: Float64Array = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return raised


def _eleven_points(correct: Float64Array, precision: Float64Array, n_positives: Float64Array) -> Float64Array:
    sums = np.zeros(correct.shape[:-1])
    for level in range(11):
        # Counts are compared instead of recalls, so that 3 of 10 positives reach a recall of 0.3, which
        # binary floating point cannot represent exactly. The tolerance is for fractional weights and has no
        # effect on integer ones.
        reached = 10 * correct >= level * n_positives[..., None] * _SLACK
        sums += np.max(np.where(reached, precision, 0.0), axis=-1, initial=0.0)
    return sums / 11


def summarize(
    correct: Float64Array, total: Float64Array, n_positives: Float64Array, flavour: APFlavour
) -> Float64Array:
    """Compute average precision from counts at thresholds.

    Args:
        correct: (..., T) correct predictions at or above each threshold.
        total: (..., T) all predictions at or above each threshold.
        n_positives: (...) numbers of positives.
        flavour: see `APFlavour`.

    Returns:
        (...) float64; NaN without positives.
    """
    precision = _precision(correct, total)
    if flavour == "11point":
        value = _eleven_points(correct, precision, n_positives)
    else:
        height = _envelope(precision) if flavour == "area" else precision
        found = np.sum(height * np.diff(correct, prepend=0.0, axis=-1), axis=-1)
        value = np.divide(found, n_positives, out=np.zeros_like(found), where=n_positives > 0)
    return np.where(n_positives > 0, value, np.nan)


def check_vector(name: str, values: npt.ArrayLike, length: int) -> Float64Array:
    """Convert values to a (length,) float64 array.

    Raises:
        ValueError: the shape differs.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (length,):
        raise ValueError(f"{name} has shape {array.shape}, not ({length},)")
    return array


def check_weights(weights: npt.ArrayLike | None, length: int) -> Float64Array:
    """Convert weights to a (length,) float64 array; None becomes ones.

    Raises:
        ValueError: the shape differs, or a weight is negative or not finite.
    """
    if weights is None:
        return np.ones(length)
    array = check_vector("weights", weights, length)
    if not np.all(np.isfinite(array) & (array >= 0)):
        raise ValueError("weights must be finite and non-negative")
    return array


def check_scores(scores: Float64Array) -> None:
    """Check that scores do not contain NaN.

    Raises:
        ConfigurationError: a score is NaN.
    """
    if np.isnan(scores).any():
        raise ConfigurationError(
            "scores contain NaN and cannot be ranked: check the model that computed them", parameter="scores"
        )


def check_labels(labels: npt.NDArray[np.generic]) -> None:
    """Check that labels are −1, 0 or +1.

    Raises:
        ValueError: a label has another value.
    """
    if not np.isin(labels, (-1, 0, 1)).all():
        raise ValueError("labels must be -1 (absent), 0 (ignored) or +1 (present)")


@dataclass(frozen=True, eq=False)
class RankedPredictions:
    """Checked predictions of one class.

    Attributes:
        scores: (n,) float64.
        hits: (n,) bool.
        weights: (n,) float64.
        n_positives: number of positives (weighted), including missed ones.
    """

    scores: Float64Array
    hits: BoolArray
    weights: Float64Array
    n_positives: float

    @classmethod
    def build(
        cls,
        scores: npt.ArrayLike,
        hits: npt.ArrayLike,
        n_positives: float | None,
        weights: npt.ArrayLike | None,
    ) -> RankedPredictions:
        """Check and convert predictions; for arguments and errors, see `precision_recall_curve`."""
        score = np.asarray(scores, dtype=np.float64).reshape(-1)
        check_scores(score)
        hit = check_vector("hits", hits, len(score)) != 0
        weight = check_weights(weights, len(score))
        found = float(weight[hit].sum())
        positives = found if n_positives is None else float(n_positives)
        if not found * _SLACK <= positives < np.inf:
            raise ValueError(
                f"there are {found:g} hits but {positives:g} positives: every hit must be a positive"
            )
        return cls(score, hit, weight, positives)

    def average_precision(self, flavour: APFlavour) -> float:
        """Compute the average precision of these predictions; NaN without positives."""
        correct, total = Thresholds.from_scores(self.scores).counts(self.hits, self.weights)
        return float(summarize(correct, total, np.asarray(self.n_positives), flavour))


def precision_recall_curve(
    scores: npt.ArrayLike,
    hits: npt.ArrayLike,
    n_positives: float | None = None,
    weights: npt.ArrayLike | None = None,
) -> PrecisionRecallCurve:
    """Compute the precision-recall curve of one class; equal scores share a threshold.

    Args:
        scores: (n,) scores of the predictions; higher means more confident; infinities are allowed.
        hits: (n,) bool, True where the prediction is correct.
        n_positives: number of positives (weighted), including those without a prediction. None uses the total
            weight of the hits, which means that no positive was missed.
        weights: (n,) finite and non-negative; None weights all predictions equally.

    Raises:
        ConfigurationError: a score is NaN.
        ValueError: shapes differ, a weight is negative, or there are more hits than positives.
    """
    checked = RankedPredictions.build(scores, hits, n_positives, weights)
    thresholds = Thresholds.from_scores(checked.scores)
    correct, total = thresholds.counts(checked.hits, checked.weights)
    precision = _precision(correct, total)
    positives = checked.n_positives
    recall = correct / positives if positives > 0 else np.full(len(correct), np.nan)
    return PrecisionRecallCurve(
        checked.scores[thresholds.order][thresholds.ends], precision, recall, _envelope(precision), positives
    )

"""Average precision: one ranking rule, three ways to summarise the precision-recall curve.

**Ties.** Predictions of equal confidence share one threshold: they enter the ranking together. The result
depends on the numbers alone and never on the order in which images were read. The VOC devkit breaks
ties by the order its sort leaves, scikit-learn groups them as here; without ties all three agree.

**Weights.** Every function takes a weight per image. A whole number w is the same as having the
image w times, which is what the bootstrap builds on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from freeloc._choices import APFlavour
from freeloc._typing import BoolArray, Float64Array, IntpArray
from freeloc.errors import FreelocError, check_choice

__all__ = [
    "APFlavour",
    "PrecisionRecallCurve",
    "Ranking",
    "average_precision",
    "class_means",
    "classification_ap",
    "classification_ranking",
    "mean_over_classes",
    "precision_recall_curve",
    "ranked_average_precision",
]

_SLACK = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """A precision-recall curve, one entry per threshold, from the highest threshold to the lowest.

    Attributes:
        thresholds: (T,) float64, the distinct confidences, falling.
        precision: (T,) float64, share of the predictions at or above the threshold that are right; 0 where
            all their weights are 0.
        recall: (T,) float64, share of the positives found at or above the threshold; NaN without positives.
        envelope: (T,) float64, the best precision at this recall or a higher one; what "area" integrates.
        n_positives: (weighted) number of positives, the missed ones included.
    """

    thresholds: Float64Array
    precision: Float64Array
    recall: Float64Array
    envelope: Float64Array
    n_positives: float


@dataclass(frozen=True, eq=False)
class _Thresholds:
    """One class's predictions, best first, and where groups of equal confidence end."""

    order: IntpArray
    ends: IntpArray

    @classmethod
    def of(cls, confidence: Float64Array) -> _Thresholds:
        order = np.argsort(-confidence, kind="stable")
        ranked = confidence[order]
        # NaN differs from everything, so that the last group ends too; comparing keeps infinities tied.
        return cls(order, np.flatnonzero(ranked != np.append(ranked[1:], np.nan)))

    def where(self, hits: BoolArray) -> _Thresholds:
        """The thresholds of groups that hold a hit, a few of all.

        No average precision asks for others: recall stays as it is from a group without a hit to the one before
        it, and precision is no higher.
        """
        groups = np.searchsorted(self.ends, np.flatnonzero(hits[self.order]))
        return _Thresholds(self.order, self.ends[np.unique(groups)])

    def counts(self, hits: BoolArray, weights: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Weighted numbers of right predictions and of all predictions at or above each threshold.

        Args:
            hits: (n,) bool.
            weights: (n, ...) float64.

        Returns:
            Two (..., T) float64 arrays.
        """
        ranked = weights[self.order]
        places = np.flatnonzero(hits[self.order])
        found = np.concatenate([np.zeros((1, *ranked.shape[1:])), np.cumsum(ranked[places], axis=0)])
        right = found[np.searchsorted(places, self.ends, side="right")]
        seen = np.cumsum(ranked, axis=0)[self.ends]
        # In this order, so that sums over thresholds do not depend on how many weightings there are.
        return np.moveaxis(right, 0, -1).copy("C"), np.moveaxis(seen, 0, -1).copy("C")


def _precision(right: Float64Array, seen: Float64Array) -> Float64Array:
    # A threshold with nothing above it adds no recall: any finite value will do, and 0 raises nothing.
    return np.divide(right, seen, out=np.zeros_like(right), where=seen > 0)


def _envelope(precision: Float64Array) -> Float64Array:
    raised: Float64Array = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return raised


def _eleven_points(right: Float64Array, precision: Float64Array, n_positives: Float64Array) -> Float64Array:
    total = np.zeros(right.shape[:-1])
    for level in range(11):
        # Counts are compared instead of recalls so that 3 found of 10 reaches the level 0.3, which is not a
        # binary fraction. The slack is for weights that are not whole numbers; whole ones never feel it.
        reached = 10 * right >= level * n_positives[..., None] * _SLACK
        total += np.max(np.where(reached, precision, 0.0), axis=-1, initial=0.0)
    return total / 11


def _summary(
    right: Float64Array, seen: Float64Array, n_positives: Float64Array, flavour: APFlavour
) -> Float64Array:
    """Average precision from (..., T) counts and (...) numbers of positives; NaN without positives."""
    precision = _precision(right, seen)
    if flavour == "11point":
        value = _eleven_points(right, precision, n_positives)
    else:
        height = _envelope(precision) if flavour == "area" else precision
        found = np.sum(height * np.diff(right, prepend=0.0, axis=-1), axis=-1)
        value = np.divide(found, n_positives, out=np.zeros_like(found), where=n_positives > 0)
    return np.where(n_positives > 0, value, np.nan)


def _vector(name: str, values: npt.ArrayLike, length: int) -> Float64Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (length,):
        raise ValueError(f"{name} has shape {array.shape}, not ({length},)")
    return array


def _weights(weights: npt.ArrayLike | None, length: int) -> Float64Array:
    if weights is None:
        return np.ones(length)
    array = _vector("weights", weights, length)
    if not np.all(np.isfinite(array) & (array >= 0)):
        raise ValueError("weights must be finite and not negative")
    return array


def _refuse_nan(confidence: Float64Array) -> None:
    if np.isnan(confidence).any():
        raise FreelocError("the scores hold NaN and cannot be ranked: check the model that gave them")


@dataclass(frozen=True, eq=False)
class _Predictions:
    """The checked predictions of one class."""

    confidence: Float64Array
    hits: BoolArray
    weights: Float64Array
    n_positives: float

    @classmethod
    def of(
        cls,
        confidence: npt.ArrayLike,
        hits: npt.ArrayLike,
        n_positives: float | None,
        weights: npt.ArrayLike | None,
    ) -> _Predictions:
        score = np.asarray(confidence, dtype=np.float64).reshape(-1)
        _refuse_nan(score)
        right = _vector("hits", hits, len(score)) != 0
        weight = _weights(weights, len(score))
        found = float(weight[right].sum())
        positives = found if n_positives is None else float(n_positives)
        if not found * _SLACK <= positives < np.inf:
            raise ValueError(f"there are {found:g} hits but {positives:g} positives")
        return cls(score, right, weight, positives)


def precision_recall_curve(
    confidence: npt.ArrayLike,
    hits: npt.ArrayLike,
    n_positives: float | None = None,
    weights: npt.ArrayLike | None = None,
) -> PrecisionRecallCurve:
    """The precision-recall curve of one class's predictions, ties sharing a threshold.

    Args:
        confidence: (n,) higher is surer; infinities are allowed.
        hits: (n,) bool, True where the prediction is right.
        n_positives: (weighted) number of positives, those that no prediction found included. None: the
            weight of the hits, so that nothing was missed.
        weights: (n,) finite, not negative; None gives every prediction the weight 1.

    Raises:
        FreelocError: a confidence is NaN.
        ValueError: shapes differ, a weight is negative, or there are more hits than positives.
    """
    given = _Predictions.of(confidence, hits, n_positives, weights)
    thresholds = _Thresholds.of(given.confidence)
    right, seen = thresholds.counts(given.hits, given.weights)
    precision = _precision(right, seen)
    recall = right / given.n_positives if given.n_positives > 0 else np.full(len(right), np.nan)
    return PrecisionRecallCurve(
        given.confidence[thresholds.order][thresholds.ends],
        precision,
        recall,
        _envelope(precision),
        given.n_positives,
    )


def ranked_average_precision(
    confidence: npt.ArrayLike,
    hits: npt.ArrayLike,
    n_positives: float,
    flavour: APFlavour = "area",
    weights: npt.ArrayLike | None = None,
) -> float:
    """Average precision of a ranking in which some positives may have been missed.

    A prediction that misses a present class is given with ``hits`` False and its positive is counted in
    ``n_positives``: that makes it a false positive and a false negative at once (paper, section 6).

    Args:
        confidence: (n,) higher is surer.
        hits: (n,) bool, True for true positives.
        n_positives: (weighted) number of positives, the missed ones included.
        flavour: see `APFlavour`.
        weights: (n,) finite, not negative; None gives every prediction the weight 1.

    Returns:
        A number between 0 and 1; NaN when there are no positives.

    Raises:
        FreelocError: a confidence is NaN, or the flavour is not known.
        ValueError: shapes differ, a weight is negative, or there are more hits than positives.
    """
    check_choice("the AP flavour", flavour, APFlavour)
    given = _Predictions.of(confidence, hits, n_positives, weights)
    right, seen = _Thresholds.of(given.confidence).counts(given.hits, given.weights)
    return float(_summary(right, seen, np.asarray(given.n_positives), flavour))


def average_precision(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    flavour: APFlavour = "area",
    weights: npt.ArrayLike | None = None,
) -> float:
    """Average precision of one class's classification scores.

    Args:
        scores: (N,) one score per image, higher is surer.
        labels: (N,) +1 present, −1 absent, 0 left out. Absent is −1, not 0.
        flavour: see `APFlavour`.
        weights: (N,) finite, not negative; None gives every image the weight 1.

    Returns:
        A number between 0 and 1; NaN when no image has the label +1.

    Raises:
        FreelocError: a score that counts is NaN, or the flavour is not known.
        ValueError: shapes differ, a label is not −1, 0 or +1, or a weight is negative.
    """
    score = np.asarray(scores, dtype=np.float64).reshape(-1)
    label = _vector("labels", labels, len(score))
    _check_labels(label)
    weight = _weights(weights, len(score))
    count_of, present = label != 0, label > 0
    return ranked_average_precision(
        score[count_of], present[count_of], float(weight[present].sum()), flavour, weight[count_of]
    )


def _check_labels(labels: npt.NDArray[np.generic]) -> None:
    if not np.isin(labels, (-1, 0, 1)).all():
        raise ValueError("labels must be -1 (absent), 0 (left out) or +1 (present)")


def class_means(values: npt.ArrayLike) -> Float64Array:
    """Means over the last axis that leave NaN out: (..., K) to (...); NaN where every class is NaN."""
    array = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(array)
    count = known.sum(axis=-1)
    total = np.where(known, array, 0.0).sum(axis=-1)
    means: Float64Array = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def mean_over_classes(values: npt.ArrayLike) -> float:
    """Mean of (K,) per-class values; classes that are NaN (no positives) are left out, NaN if all are."""
    return float(class_means(np.asarray(values, dtype=np.float64).reshape(-1)))


@dataclass(frozen=True, eq=False)
class Ranking:
    """Everything an average precision needs to know about N images and K classes.

    Attributes:
        confidence: (N, K) float64, what ranks the images; NaN is allowed only where not counted.
        hits: (N, K) bool, the prediction is a true positive.
        positives: (N, K) bool, the pair is a positive that should be found; holds every hit.
        counted: (N, K) bool, the pair takes part at all; holds every positive.
        flavour: see `APFlavour`.
    """

    confidence: Float64Array
    hits: BoolArray
    positives: BoolArray
    count_of: BoolArray
    flavour: APFlavour = "area"

    def __post_init__(self) -> None:
        check_choice("the AP flavour", self.flavour, APFlavour)
        shapes = {array.shape for array in (self.confidence, self.hits, self.positives, self.count_of)}
        if len(shapes) != 1 or self.confidence.ndim != 2:
            raise ValueError(f"the arrays of a ranking must all be (N, K), not {sorted(shapes)}")
        if (self.hits & ~self.positives).any() or (self.positives & ~self.count_of).any():
            raise ValueError("every hit must be a positive and every positive must be counted")
        _refuse_nan(self.confidence[self.count_of])

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return int(self.confidence.shape[0])

    @property
    def n_classes(self) -> int:
        """Number of classes, K."""
        return int(self.confidence.shape[1])

    @cached_property
    def _sorted(self) -> tuple[tuple[IntpArray, _Thresholds], ...]:
        # Sorting does not depend on weights: once per class serves every resample.
        found = []
        for k, column in enumerate(self.count_of.T):
            rows = np.flatnonzero(column)
            found.append((rows, _Thresholds.of(self.confidence[rows, k]).where(self.hits[rows, k])))
        return tuple(found)

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Average precision of every class under many weightings of the images.

        Args:
            weights: (B, N) not negative; a whole number counts an image that many times.

        Returns:
            (B, K) float64; NaN where a class has no positives under a weighting.
        """
        weight = np.asarray(weights, dtype=np.float64)
        if weight.ndim != 2 or weight.shape[1] != self.n_images:
            raise ValueError(f"weights have shape {weight.shape}, not (B, {self.n_images})")
        result = np.empty((len(weight), self.n_classes))
        n_positives = weight @ self.positives.astype(np.float64)
        by_image = np.ascontiguousarray(weight.T)
        for k, (rows, thresholds) in enumerate(self._sorted):
            right, seen = thresholds.counts(self.hits[rows, k], by_image[rows])
            result[:, k] = _summary(right, seen, n_positives[:, k], self.flavour)
        return result

    @cached_property
    def per_class(self) -> Float64Array:
        """(K,) float64 average precision of every class; NaN without positives. Read-only."""
        values: Float64Array = self.values(np.ones((1, self.n_images)))[0]
        values.setflags(write=False)
        return values

    @property
    def mean(self) -> float:
        """Mean over the classes that have positives."""
        return mean_over_classes(self.per_class)

    def curve(self, label: int) -> PrecisionRecallCurve:
        """The precision-recall curve of the class with index ``label``."""
        rows = self.count_of[:, label]
        return precision_recall_curve(
            self.confidence[rows, label], self.hits[rows, label], float(self.positives[:, label].sum())
        )


def classification_ranking(
    scores: npt.ArrayLike, labels: npt.ArrayLike, flavour: APFlavour = "area"
) -> Ranking:
    """The ranking behind the classification average precision.

    Args:
        scores: (N, K) higher is surer.
        labels: (N, K) +1 present, −1 absent, 0 left out.
        flavour: see `APFlavour`.

    Raises:
        FreelocError: a score that counts is NaN, or the flavour is not known.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    label = np.asarray(labels)
    _check_labels(label)
    present = label > 0
    return Ranking(np.asarray(scores, dtype=np.float64), present, present, label != 0, flavour)


def classification_ap(
    scores: npt.ArrayLike, labels: npt.ArrayLike, flavour: APFlavour = "area"
) -> Float64Array:
    """Classification average precision of every class: (N, K) scores and labels to (K,) float64.

    The arguments and errors are those of `classification_ranking`; classes without positives are NaN.
    """
    return classification_ranking(scores, labels, flavour).per_class

"""Platt scaling: fit probabilities and thresholds to raw scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.errors import FreelocError
from freeloc.models.calibration import HALF, Calibration, _sigmoid

__all__ = ["best_threshold", "fit_calibration"]


_PULL = 25.0
"""How strongly the slope of a class is held to the one shared by all: as if one that differs by a fifth were one
standard deviation away. A few dozen positives say as much."""


_SHARED_PULL = 1.0
"""Likewise the shared slope to 1, raw scores being log-odds: felt only where there is next to nothing else."""


_IMAGINED = 10.0
"""Where thresholds are chosen, what the probabilities promise counts as much as so many positives."""


_STEPS = 100
"""Newton's method needs about eight."""


def fit_calibration(
    scores: npt.ArrayLike, labels: npt.ArrayLike, facts: Mapping[str, Any] | None = None
) -> Calibration:
    """Fit slopes, offsets and thresholds on images that the head has not seen.

    Slopes and offsets are those of least logistic loss, with Platt's targets in place of 1 and 0: (P + 1) /
    (P + 2) for P positives and 1 / (N + 2) for N negatives, so that a class that is told apart perfectly is not
    held for certain. A slope shared by all classes is fitted first. Each class's own is then held to it by a pull
    that a few dozen positives outweigh; a class that lacks positives or negatives takes it as it is. The threshold
    of a class is that of the best F1, see `best_threshold`, and 0.5 where there is no positive.

    Args:
        scores: (N, K) raw scores.
        labels: (N, K) in {−1, 0, +1}; pairs with label 0 take no part. A class without any known label keeps
            equation 2 of the paper.
        facts: how the scores came about, kept in the result.

    Raises:
        FreelocError: a score that counts is not a finite number.
        ValueError: shapes differ.
    """
    values, label = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.shape != label.shape or values.ndim != 2:
        raise ValueError(f"scores {values.shape} and labels {label.shape} must both be (N, K)")
    known = label != 0
    if not np.isfinite(values[known]).all():
        raise FreelocError("the scores hold what is not a number: check the model that gave them")
    values, present = np.where(known, values, 0.0), label > 0
    positives, negatives = present.sum(axis=0), (label < 0).sum(axis=0)
    # Platt, Probabilistic outputs for support vector machines, 1999.
    targets = np.where(present, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    telling = (positives > 0) & (negatives > 0)
    pairs = _Pairs(values, targets, known)
    shared = pairs.columns(telling).fit(1.0, _SHARED_PULL)[0] if telling.any() else 1.0
    fitted = [_fit_class(pairs.columns([k]), present[:, k], shared) for k in range(values.shape[1])]
    slopes, offsets, thresholds = zip(*fitted, strict=True) if fitted else ((), (), ())
    return Calibration(slopes, offsets, thresholds, dict(facts or {}))


def _fit_class(pairs: _Pairs, present: npt.NDArray[np.bool_], shared: float) -> tuple[float, float, float]:
    """Slope, offset and threshold of one class; ``present`` is (N,), ``shared`` the slope of all classes."""
    known = pairs.known[:, 0]
    if not known.any():
        return 1.0, 0.0, HALF
    right = present[known]
    if right.all() or not right.any() or shared == 0:
        return shared, float(pairs.offsets(shared)[0]), HALF
    slope, offsets = pairs.fit(shared, _PULL / shared**2)
    offset = float(offsets[0])
    share = _sigmoid(slope * pairs.scores[known, 0] + offset)
    return slope, offset, best_threshold(share, right) if slope > 0 else HALF


def best_threshold(
    probabilities: npt.ArrayLike, present: npt.ArrayLike, imagined: float = _IMAGINED
) -> float:
    """The threshold of best F1, for which few positives do not decide alone.

    In place of each image's truth stands a mean of the truth and of its probability; the latter weighs as
    much as ``imagined`` positives. Where probabilities are true and positives many, both say the same.

    Args:
        probabilities: (n,) of one class, calibrated.
        present: (n,) bool, at least one True.
        imagined: how much the probabilities count; with 0 it is the F1 of the truth alone.

    Returns:
        Midway between the least probability that counts as present and the next below it.
    """
    share, right = np.asarray(probabilities, np.float64), np.asarray(present, np.float64)
    weight = right.sum() / (right.sum() + imagined)
    truth = weight * right + (1 - weight) * share
    order = np.argsort(-share, kind="stable")
    ranked, found = share[order], np.cumsum(truth[order])
    f1 = 2 * found / (np.arange(1, len(ranked) + 1) + found[-1])
    # Equal probabilities count as present together.
    last = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.where(last, f1, -1.0).argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """What is fitted: scores, targets strictly between 0 and 1, and which pairs count, all (N, G).

    Every column has a pair that counts.
    """

    scores: Float64Array
    targets: Float64Array
    known: npt.NDArray[np.bool_]

    def columns(self, which: Any) -> _Pairs:
        return _Pairs(self.scores[:, which], self.targets[:, which], self.known[:, which])

    def loss(self, slope: float, offsets: Float64Array) -> float:
        odds = slope * self.scores + offsets
        return float(((np.logaddexp(0, odds) - self.targets * odds) * self.known).sum())

    def offsets(self, slope: float) -> Float64Array:
        """(G,) offsets of least loss at a slope: those where the probabilities sum up to the targets."""
        counts = self.known.sum(axis=0)
        wanted = (self.targets * self.known).sum(axis=0)
        level = np.log(wanted / (counts - wanted))
        odds = slope * self.scores
        # The sum rises with the offset: halving finds it, whatever the scores.
        low = level - np.where(self.known, odds, -np.inf).max(axis=0)
        high = level - np.where(self.known, odds, np.inf).min(axis=0)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            less = (_sigmoid(odds + middle) * self.known).sum(axis=0) < wanted
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        found: Float64Array = (low + high) / 2
        return found

    def fit(self, centre: float, pull: float) -> tuple[float, Float64Array]:
        """One slope, never negative, and G offsets of least loss, the slope held to ``centre``.

        Args:
            centre: the slope that is pulled towards.
            pull: weight of half the squared distance from it.
        """
        # About their means, slope and offsets hardly disturb each other.
        means = (self.scores * self.known).sum(axis=0) / self.known.sum(axis=0)
        centred = _Pairs((self.scores - means) * self.known, self.targets, self.known)
        slope, offsets = centred.minimum(centre, pull)
        if slope < 0:  # the loss is convex: of the slopes allowed, 0 is the best
            return 0.0, self.offsets(0.0)
        return slope, offsets - slope * means

    def minimum(self, centre: float, pull: float) -> tuple[float, Float64Array]:
        """What `fit` gives, but for the sign of the slope: Newton's method."""

        def total(slope: float, offsets: Float64Array) -> float:
            return self.loss(slope, offsets) + pull / 2 * (slope - centre) ** 2

        slope, offsets = centre, self.offsets(centre)
        now = total(slope, offsets)
        for _ in range(_STEPS):
            step, steps, promised = self._newton(slope, offsets, pull, pull * (slope - centre))
            if promised < 1e-12 * (1 + now):
                break
            # Where all is nearly certain a full step leads too far; of a convex loss some part of it does not.
            part = 1.0
            while part > 1e-9:
                new = slope - part * step, offsets - part * steps
                if total(*new) <= now - 1e-4 * part * promised:
                    break
                part /= 2
            else:
                break
            slope, offsets = new
            now = total(slope, offsets)
        return slope, offsets

    def _newton(
        self, slope: float, offsets: Float64Array, pull: float, pulled: float
    ) -> tuple[float, Float64Array, float]:
        """A step for slope and offsets, to be taken away, and twice the fall of the loss that it promises."""
        share = _sigmoid(slope * self.scores + offsets)
        error, spread = (share - self.targets) * self.known, share * (1 - share) * self.known
        to_slope = float((error * self.scores).sum()) + pulled
        to_offsets = error.sum(axis=0)
        # The Hessian is an arrow: no offset knows another, so they are eliminated one by one.
        bent = np.maximum(spread.sum(axis=0), 1e-12)
        mixed = (spread * self.scores).sum(axis=0)
        alone = float((spread * self.scores**2).sum()) + pull - float((mixed**2 / bent).sum())
        step = (to_slope - float((mixed * to_offsets / bent).sum())) / max(alone, 1e-12)
        steps = (to_offsets - mixed * step) / bent
        return step, steps, to_slope * step + float(to_offsets @ steps)

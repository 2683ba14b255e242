"""Average precision of classification scores.

Images can be weighted: an integer weight w is equivalent to listing an image w times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._literals import APFlavour
from freeloc._typing import Float64Array
from freeloc.errors import check_choice
from freeloc.metrics.precision_recall import (
    RankedPredictions,
    check_labels,
    check_vector,
    check_weights,
)
from freeloc.metrics.ranking import Ranking

__all__ = [
    "average_precision",
    "classification_ap",
    "classification_ranking",
    "ranked_average_precision",
]


def ranked_average_precision(
    scores: npt.ArrayLike,
    hits: npt.ArrayLike,
    n_positives: float,
    flavour: APFlavour = "area",
    weights: npt.ArrayLike | None = None,
) -> float:
    """Compute the average precision of a ranking that may miss some positives.

    A prediction that misses a present class is both a false positive and a false negative (paper, section 6):
    its entry in ``hits`` is False, and ``n_positives`` still counts the positive.

    Args:
        scores: (n,) scores of the predictions; higher means more confident.
        hits: (n,) bool, True for true positives.
        n_positives: number of positives (weighted), including missed ones.
        flavour: see `APFlavour`.
        weights: (n,) finite and non-negative; None weights all predictions equally.

    Returns:
        A number between 0 and 1; NaN if there are no positives.

    Raises:
        ConfigurationError: a score is NaN, or the flavour is unknown.
        ValueError: shapes differ, a weight is negative, or there are more hits than positives.
    """
    check_choice("flavour", flavour, APFlavour)
    return RankedPredictions.build(scores, hits, n_positives, weights).average_precision(flavour)


def average_precision(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    flavour: APFlavour = "area",
    weights: npt.ArrayLike | None = None,
) -> float:
    """Compute the average precision of one class's classification scores.

    Args:
        scores: (N,) one score per image; higher means more confident.
        labels: (N,) +1 present, −1 absent, 0 ignored (0 does not mean absent).
        flavour: see `APFlavour`.
        weights: (N,) finite and non-negative; None weights all images equally.

    Returns:
        A number between 0 and 1; NaN if no image has the label +1.

    Raises:
        ConfigurationError: the score of a known pair is NaN, or the flavour is unknown.
        ValueError: shapes differ, a label is not −1, 0 or +1, or a weight is negative.
    """
    score = np.asarray(scores, dtype=np.float64).reshape(-1)
    label = check_vector("labels", labels, len(score))
    check_labels(label)
    weight = check_weights(weights, len(score))
    counted, present = label != 0, label > 0
    return ranked_average_precision(
        score[counted], present[counted], float(weight[present].sum()), flavour, weight[counted]
    )


def classification_ranking(
    scores: npt.ArrayLike, labels: npt.ArrayLike, flavour: APFlavour = "area"
) -> Ranking:
    """Rank images by their classification scores.

    Args:
        scores: (N, K); higher means more confident.
        labels: (N, K) +1 present, −1 absent, 0 ignored.
        flavour: see `APFlavour`.

    Raises:
        ConfigurationError: the score of a known pair is NaN, or the flavour is unknown.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    label = np.asarray(labels)
    check_labels(label)
    present = label > 0
    return Ranking(np.asarray(scores, dtype=np.float64), present, present, label != 0, flavour)


def classification_ap(
    scores: npt.ArrayLike, labels: npt.ArrayLike, flavour: APFlavour = "area"
) -> Float64Array:
    """Compute the classification average precision of every class.

    For arguments and errors, see `classification_ranking`.

    Returns:
        (K,) float64; NaN for classes without positives.
    """
    return classification_ranking(scores, labels, flavour).per_class

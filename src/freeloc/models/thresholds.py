"""Choose the threshold of a class: the minimum probability at which it counts as present."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["PRIOR_POSITIVES", "best_f1_threshold"]

PRIOR_POSITIVES = 10.0
"""Weight of the predicted probabilities when a threshold is chosen, expressed as a number of positive images."""


def best_f1_threshold(
    probabilities: npt.ArrayLike, present: npt.ArrayLike, prior_positives: float = PRIOR_POSITIVES
) -> float:
    """Return the threshold with the highest expected F1, regularized so that a few positives do not determine it.

    The label of each image is replaced with a weighted mean of its label and its probability, in which the
    probability has the weight of ``prior_positives`` positive images. With accurate probabilities and many
    positives, this makes no difference.

    Args:
        probabilities: (N,) calibrated probabilities of one class.
        present: (N,) bool, at least one True.
        prior_positives: weight of the probabilities; 0 uses only the labels.

    Returns:
        The midpoint between the lowest probability that counts as present and the next lower one.
    """
    probability, label = np.asarray(probabilities, np.float64), np.asarray(present, np.float64)
    weight = label.sum() / (label.sum() + prior_positives)
    expected = weight * label + (1 - weight) * probability
    order = np.argsort(-probability, kind="stable")
    ranked, true_positives = probability[order], np.cumsum(expected[order])
    f1 = 2 * true_positives / (np.arange(1, len(ranked) + 1) + true_positives[-1])
    # Images with equal probabilities are on the same side of the threshold.
    last_of_ties = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.where(last_of_ties, f1, -1.0).argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)

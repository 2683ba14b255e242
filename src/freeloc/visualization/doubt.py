"""How much doubt there is about an image: how close the probability of a class is to its threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from freeloc._typing import Float64Array
from freeloc.inference.result import ClassLocation, Localization

__all__ = ["Doubt"]


@dataclass(frozen=True)
class Doubt:
    """The doubt about an image: that about the class whose probability is closest to its threshold.

    Attributes:
        margin: distance between the two in log-odds; infinite without any class.
        location: the class; None without any class.
        text: a sentence about it.
    """

    margin: float
    location: ClassLocation | None
    text: str

    @classmethod
    def about(cls, result: Localization, threshold: float | None = None) -> Doubt:
        """Return the doubt about a result.

        Args:
            result: the result.
            threshold: one threshold for all classes; None uses the model's threshold for each class.
        """
        margins = _margins(result, threshold)
        if not len(margins):
            return cls(math.inf, None, "")
        location = result[result.classes[int(margins.argmin())]]
        limit = location.threshold if threshold is None else threshold
        text = f"in most doubt: {location.name} {location.probability:.2f}, threshold {limit:.2f}"
        return cls(float(margins.min()), location, text)


def _margins(result: Localization, threshold: float | None) -> Float64Array:
    """Return the (K,) distances, in log-odds, of the probabilities from their thresholds; 0 for NaN."""
    thresholds = result.thresholds if threshold is None else np.full(len(result.classes), threshold)
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.abs(
            result.decision.log_odds(result.scores) - np.log(thresholds) + np.log1p(-thresholds)
        )
    return np.nan_to_num(distances.astype(np.float64), nan=0.0, posinf=np.inf)

"""The calibration and thresholds by which a model converts raw scores to probabilities and decisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.inference.score_map import sigmoid
from freeloc.models.calibration import Calibration
from freeloc.models.header import DEFAULT_BOX_THRESHOLD

__all__ = ["DecisionRule"]


@dataclass(frozen=True)
class DecisionRule:
    """A model's calibration and thresholds.

    Attributes:
        calibration: maps scores to probabilities, with one threshold per class; None for an uncalibrated model,
            whose probabilities are the logistic function of the scores (paper, equation 2).
        threshold: minimum probability at which a class counts as present if there is no calibration.
        box_threshold: fraction of a map's maximum at which boxes are drawn.
    """

    calibration: Calibration | None = None
    threshold: float = 0.5
    box_threshold: float = DEFAULT_BOX_THRESHOLD

    def probabilities(self, scores: npt.ArrayLike) -> Float32Array:
        """Return the (..., K) float32 probabilities of (..., K) raw scores."""
        return sigmoid(scores) if self.calibration is None else self.calibration.probabilities(scores)

    def log_odds(self, scores: Float32Array) -> Float32Array | Float64Array:
        """Return the (..., K) log-odds of (..., K) raw scores; unlike probabilities, they never round to 1."""
        return scores if self.calibration is None else self.calibration.log_odds(scores)

    def thresholds(self, count: int) -> Float64Array:
        """Return the thresholds of ``count`` classes, as (count,) float64 probabilities."""
        values = self.threshold if self.calibration is None else self.calibration.thresholds
        return np.broadcast_to(np.array(values, np.float64), (count,))

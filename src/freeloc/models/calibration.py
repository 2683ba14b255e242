"""Calibration, which converts raw scores to probabilities, and the thresholds of the classes.

Training makes raw scores approximate log-odds (paper, equations 1 and 2), but only for the images and scales on
which the head was trained. On other images, the resulting probabilities are too extreme, for some classes more
than for others. Platt scaling corrects this with two numbers per class, fitted to images that were not used for
training; see `freeloc.models.platt_scaling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.errors import ConfigurationError

__all__ = ["DEFAULT_THRESHOLD", "Calibration", "logistic"]

DEFAULT_THRESHOLD = 0.5
"""Threshold of classes for which none was fitted."""


_MAX = 1e9
"""Maximum slope and offset. Fitted values are near 1; larger ones would overflow."""


@dataclass(frozen=True)
class Calibration:
    """Platt scaling of K classes: probability = logistic(slope · score + offset).

    Attributes:
        slopes: K non-negative slopes.
        offsets: K offsets.
        thresholds: K minimum probabilities at which the classes count as present.
        facts: how the calibration was fitted, as JSON values.

    Raises:
        ConfigurationError: the lengths differ, or a number is out of range.
    """

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    thresholds: tuple[float, ...]
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        lengths = len(self.slopes), len(self.offsets), len(self.thresholds)
        if len(set(lengths)) != 1:
            raise ConfigurationError(
                f"there are {lengths[0]} slopes, {lengths[1]} offsets and {lengths[2]} thresholds: specify one of "
                "each per class"
            )
        if not all(0 <= slope <= _MAX for slope in self.slopes):
            raise ConfigurationError(f"slopes must be between 0 and {_MAX:g}")
        if not all(abs(offset) <= _MAX for offset in self.offsets):
            raise ConfigurationError(f"offsets must be between {-_MAX:g} and {_MAX:g}")
        if not all(0 <= threshold <= 1 for threshold in self.thresholds):
            raise ConfigurationError("thresholds must be between 0 and 1")

    def __len__(self) -> int:
        """Return the number of classes, K."""
        return len(self.slopes)

    def select(self, labels: Sequence[int]) -> Calibration:
        """Return the calibration of some classes, given by their indices."""
        columns = (self.slopes, self.offsets, self.thresholds)
        slopes, offsets, thresholds = (tuple(values[label] for label in labels) for values in columns)
        return Calibration(slopes, offsets, thresholds, self.facts)

    def log_odds(self, scores: npt.ArrayLike) -> Float64Array:
        """Return the (..., K) float64 log-odds of (..., K) raw scores."""
        odds: Float64Array = np.asarray(scores, np.float64) * np.array(self.slopes) + np.array(self.offsets)
        return odds

    def probabilities(self, scores: npt.ArrayLike) -> Float32Array:
        """Return the (..., K) float32 probabilities of (..., K) raw scores."""
        return logistic(self.log_odds(scores)).astype(np.float32)


def logistic(log_odds: Float64Array) -> Float64Array:
    """Convert log-odds to float64 probabilities, without overflow."""
    # The exponent is never positive, so exp cannot overflow.
    decay = np.exp(-np.abs(log_odds))
    probabilities: Float64Array = np.where(log_odds >= 0, 1.0, decay) / (1 + decay)
    return probabilities

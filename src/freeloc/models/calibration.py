"""From raw scores to probabilities that are true, and to the threshold of each class.

A head's raw scores are log-odds by training (paper, equations 1 and 2), but of the images and scales that
it was trained on. On others it is surer than it ought to be, and more so of some classes. Platt scaling mends
that: two numbers a class, fitted on images that the head has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array

__all__ = ["Calibration"]


HALF = 0.5
"""The threshold of a class of which nothing better is known."""


@dataclass(frozen=True)
class Calibration:
    """How a model's raw scores become probabilities: logistic(slope · score + offset), per class.

    Attributes:
        slopes: K slopes, none negative.
        offsets: K offsets.
        thresholds: K probabilities from which a class counts as present.
        facts: how it was fitted, as plain JSON values.

    Raises:
        ValueError: the lengths differ, or a number is out of range.
    """

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    thresholds: tuple[float, ...]
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        lengths = {len(self.slopes), len(self.offsets), len(self.thresholds)}
        if len(lengths) != 1:
            raise ValueError(f"slopes, offsets and thresholds of {sorted(lengths)} classes")
        if not np.isfinite([*self.slopes, *self.offsets]).all() or min(self.slopes, default=0.0) < 0:
            raise ValueError("slopes and offsets must be finite, and no slope negative")
        if not all(0 <= threshold <= 1 for threshold in self.thresholds):
            raise ValueError("thresholds must lie between 0 and 1")

    def __len__(self) -> int:
        """Number of classes, K."""
        return len(self.slopes)

    def log_odds(self, scores: npt.ArrayLike) -> Float64Array:
        """(..., K) raw scores to (..., K) float64 log-odds."""
        odds: Float64Array = np.asarray(scores, np.float64) * np.array(self.slopes) + np.array(self.offsets)
        return odds

    def probabilities(self, scores: npt.ArrayLike) -> Float32Array:
        """(..., K) raw scores to (..., K) float32 probabilities."""
        return _sigmoid(self.log_odds(scores)).astype(np.float32)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON values; `from_json` reads it."""
        return {
            "slopes": list(self.slopes),
            "offsets": list(self.offsets),
            "thresholds": list(self.thresholds),
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], classes: int) -> Calibration:
        """What `as_json` gave.

        Args:
            values: JSON values.
            classes: how many classes there should be.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another kind.
            ValueError: a number is out of range, or of other classes.
        """
        slopes, offsets, thresholds = (
            tuple(float(number) for number in values[name]) for name in ("slopes", "offsets", "thresholds")
        )
        made = cls(slopes, offsets, thresholds, dict(values["facts"]))
        if len(made) != classes:
            raise ValueError(f"the calibration is of {len(made)} classes, the model of {classes}")
        return made


def _sigmoid(odds: Float64Array) -> Float64Array:
    # exp of a number that is not positive never overflows.
    small = np.exp(-np.abs(odds))
    share: Float64Array = np.where(odds >= 0, 1.0, small) / (1 + small)
    return share

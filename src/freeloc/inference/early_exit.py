"""Early exit: skipping an image's remaining scales if its first scales decide every class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeloc.inference.fusion import pooled_scores
from freeloc.inference.score_map import ScoreMap

__all__ = ["UNDECIDED_SCORE", "EarlyExit", "undecided"]

UNDECIDED_SCORE = 2.0
"""A class is undecided if the absolute value of its raw score is below this value. Without calibration, this
corresponds to a probability between 12% and 88%."""


def undecided(score_maps: Sequence[ScoreMap], pooling: str = "max") -> bool:
    """Return whether any class is undecided.

    Args:
        score_maps: the score maps of one image, one per scale computed so far.
        pooling: how score maps are pooled to scores.
    """
    return bool(np.abs(pooled_scores(score_maps, pooling)).min() < UNDECIDED_SCORE)


@dataclass(frozen=True)
class EarlyExit:
    """Rule for skipping the remaining scales of an image.

    Attributes:
        after: number of scales that are computed for every image; None for all scales.
        pooling: how score maps are pooled to scores.
    """

    after: int | None = None
    pooling: str = "max"

    def is_final(self, score_maps: Sequence[ScoreMap]) -> bool:
        """Return whether exactly ``after`` scales have been computed, and every class is decided."""
        return len(score_maps) == self.after and not undecided(score_maps, self.pooling)

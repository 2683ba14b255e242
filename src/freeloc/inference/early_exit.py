"""Early exit: skipping an image's remaining scales if its first scales decide every class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeloc.inference.fusion import pooled_scores
from freeloc.inference.score_map import ScoreMap

__all__ = ["UNDECIDED_SCORE", "EarlyExit", "undecided"]

UNDECIDED_SCORE = 2.0
"""A class is undecided if its raw score is closer to 0 than this. Without calibration, its probability is
then between 12% and 88%."""


def undecided(score_maps: Sequence[ScoreMap], pooling: str = "max") -> bool:
    """Return whether some class is undecided.

    Args:
        score_maps: the score maps of one image, one per scale computed so far.
        pooling: how a score map becomes a score.
    """
    return bool(np.abs(pooled_scores(score_maps, pooling)).min() < UNDECIDED_SCORE)


@dataclass(frozen=True)
class EarlyExit:
    """The scales after which an image may be finished.

    Attributes:
        after: number of scales that are computed for every image; None for all scales.
        pooling: how a score map becomes a score.
    """

    after: int | None = None
    pooling: str = "max"

    def is_final(self, score_maps: Sequence[ScoreMap]) -> bool:
        """Return whether the first ``after`` scales decide every class, so that the others are skipped."""
        return len(score_maps) == self.after and not undecided(score_maps, self.pooling)

"""Images ranked by score, one ranking per class, from which average precision is computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from freeloc._literals import APFlavour
from freeloc._typing import BoolArray, Float64Array, IntpArray
from freeloc.errors import check_choice
from freeloc.metrics.precision_recall import (
    PrecisionRecallCurve,
    Thresholds,
    check_scores,
    precision_recall_curve,
    summarize,
)
from freeloc.metrics.weighted_metric import WeightedMetric

__all__ = ["Ranking"]


@dataclass(frozen=True, eq=False)
class Ranking(WeightedMetric):
    """N images ranked for each of K classes; the metric is average precision.

    Attributes:
        scores: (N, K) float64, the values by which images are ranked; NaN is allowed only for pairs that are not
            counted.
        hits: (N, K) bool, whether the prediction is a true positive.
        positives: (N, K) bool, whether the pair is a positive; True for every hit.
        counted: (N, K) bool, whether the pair is part of the ranking; True for every positive.
        flavour: see `APFlavour`.
    """

    scores: Float64Array
    hits: BoolArray
    positives: BoolArray
    counted: BoolArray
    flavour: APFlavour = "area"

    def __post_init__(self) -> None:
        check_choice("flavour", self.flavour, APFlavour)
        shapes = {array.shape for array in (self.scores, self.hits, self.positives, self.counted)}
        if len(shapes) != 1 or self.scores.ndim != 2:
            raise ValueError(
                f"the arrays of a ranking must all have the same shape (N, K), not {sorted(shapes)}"
            )
        if (self.hits & ~self.positives).any() or (self.positives & ~self.counted).any():
            raise ValueError("every hit must be a positive and every positive must be counted")
        check_scores(self.scores[self.counted])

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return int(self.scores.shape[0])

    @property
    def n_classes(self) -> int:
        """Number of classes, K."""
        return int(self.scores.shape[1])

    @cached_property
    def _sorted(self) -> tuple[tuple[IntpArray, Thresholds], ...]:
        # Sorting does not depend on weights, so each class is sorted once for all resamples.
        rankings = []
        for k, column in enumerate(self.counted.T):
            rows = np.flatnonzero(column)
            thresholds = Thresholds.from_scores(self.scores[rows, k])
            rankings.append((rows, thresholds.containing(self.hits[rows, k])))
        return tuple(rankings)

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Compute the average precision of every class for B weightings of the images.

        Args:
            weights: (B, N), non-negative; an integer weight w counts an image w times.

        Returns:
            (B, K) float64; NaN where a weighting contains no positives of a class.
        """
        weight = self._weight_rows(weights)
        result = np.empty((len(weight), self.n_classes))
        n_positives = weight @ self.positives.astype(np.float64)
        by_image = np.ascontiguousarray(weight.T)
        for k, (rows, thresholds) in enumerate(self._sorted):
            correct, total = thresholds.counts(self.hits[rows, k], by_image[rows])
            result[:, k] = summarize(correct, total, n_positives[:, k], self.flavour)
        return result

    def curve(self, label: int) -> PrecisionRecallCurve:
        """Compute the precision-recall curve of the class with index ``label``."""
        rows = self.counted[:, label]
        return precision_recall_curve(
            self.scores[rows, label], self.hits[rows, label], float(self.positives[:, label].sum())
        )

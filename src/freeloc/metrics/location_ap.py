"""Location average precision: does the predicted point fall on an object of its class (paper, section 6)?

The paper defines the metric in one paragraph, and its authors released no code. Each choice that the paragraph
leaves open is a field of `LocationOptions`; docs/metrics.md explains the defaults.

Points and boxes are in image coordinates (`freeloc.geometry.grid`), in which the center of the top-left pixel is
(0.5, 0.5). Boxes are given by their edges ``x1, y1, x2, y2``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._literals import APFlavour, BoxDistance, FlaggedBoxPolicy, LocationRanking, ToleranceFrame
from freeloc._typing import Float64Array
from freeloc._validation import NonNegative, check_fields
from freeloc.errors import ConfigurationError, DatasetError
from freeloc.geometry.size import Size, normalized_length
from freeloc.metrics.ground_truth import GroundTruth
from freeloc.metrics.point_matching import (
    Outcome,
    Outcomes,
    box_distance,
    check_points,
    match_points,
)
from freeloc.metrics.ranking import Ranking

__all__ = [
    "LocationAccumulator",
    "LocationOptions",
    "LocationResult",
    "location_ap",
    "location_outcomes",
    "location_ranking",
]


@dataclass(frozen=True)
class LocationOptions:
    """The choices that section 6 of the paper leaves open; docs/metrics.md explains each default.

    Attributes:
        ranking: see `LocationRanking`.
        tolerance: how far outside a box a point may fall, in pixels; 18 in the paper.
        tolerance_frame: see `ToleranceFrame`.
        distance: see `BoxDistance`.
        difficult: policy for boxes with VOC's difficult flag; see `FlaggedBoxPolicy`.
        crowd: policy for COCO's crowd boxes, including those also flagged difficult; see `FlaggedBoxPolicy`.
        flavour: see `APFlavour`.

    Raises:
        ConfigurationError: an option has an unknown value, or the tolerance is not a number or negative.
    """

    ranking: LocationRanking = "score"
    tolerance: NonNegative = 18.0
    tolerance_frame: ToleranceFrame = "original"
    distance: BoxDistance = "box"
    difficult: FlaggedBoxPolicy = "hit"
    crowd: FlaggedBoxPolicy = "ignore"
    flavour: APFlavour = "area"

    def __post_init__(self) -> None:
        check_fields(self)


def location_outcomes(
    points: npt.ArrayLike,
    sizes: Sequence[Size],
    ground_truth: GroundTruth,
    labels: npt.ArrayLike,
    options: LocationOptions | None = None,
) -> Outcomes:
    """Determine for each predicted point whether it falls on an object of its class.

    Labels alone determine presence, and boxes alone determine location: a pair with label +1 but no box is a
    miss. A NaN point means "no location predicted" and never hits. A distance equal to the tolerance counts
    as a hit.

    Args:
        points: (N, K, 2) x and y in image coordinates, one point per image and class.
        sizes: N image sizes.
        ground_truth: the annotated boxes of the N images.
        labels: (N, K) +1 present, −1 absent, 0 ignored.
        options: the choices that the paper leaves open; None for the defaults.

    Returns:
        (N, K) int8 `Outcome` values.

    Raises:
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    options = options or LocationOptions()
    point = check_points(points, sizes, ground_truth)
    shape = (point.shape[0], point.shape[1])
    label = _labels(labels, shape)
    ground_truth.check(shape[1])
    if options.tolerance_frame == "normalized":
        tolerance = np.array([normalized_length(size, options.tolerance) for size in sizes], dtype=np.float64)
    else:
        tolerance = np.full(len(sizes), options.tolerance)
    target = point[ground_truth.image, ground_truth.label]
    distance = box_distance(target, ground_truth.boxes, options.distance)
    reached = distance <= tolerance[ground_truth.image]
    outcomes = match_points(reached, ground_truth, shape, options.difficult, options.crowd)
    outcomes[label < 0] = Outcome.ABSENT
    outcomes[label == 0] = Outcome.IGNORED
    return outcomes


def _labels(labels: npt.ArrayLike, shape: tuple[int, int]) -> npt.NDArray[np.int8]:
    array = np.asarray(labels)
    if array.shape != shape or not np.isin(array, (-1, 0, 1)).all():
        raise ValueError(f"labels must be -1, 0 or +1 in an array of shape {shape}")
    return array.astype(np.int8)


def location_ranking(outcomes: Outcomes, scores: npt.ArrayLike, flavour: APFlavour = "area") -> Ranking:
    """Rank the images of every class, leaving out ignored pairs.

    Args:
        outcomes: (N, K) `Outcome` values.
        scores: (N, K) scores or responses; higher means more confident.
        flavour: see `APFlavour`.

    Raises:
        ConfigurationError: the score of a counted pair is NaN, or the flavour is unknown.
        ValueError: shapes differ.
    """
    hits = outcomes == Outcome.HIT
    positives = hits | (outcomes == Outcome.MISS)
    return Ranking(
        np.asarray(scores, dtype=np.float64), hits, positives, outcomes != Outcome.IGNORED, flavour
    )


@dataclass(frozen=True, eq=False)
class LocationResult:
    """Location average precision of K classes on N images.

    Attributes:
        outcomes: (N, K) int8 `Outcome` values.
        ranking: the ranking from which bootstrap intervals and precision-recall curves are computed.
        options: the options of the metric.
    """

    outcomes: Outcomes
    ranking: Ranking
    options: LocationOptions

    @property
    def per_class(self) -> Float64Array:
        """(K,) float64 average precision of every class; NaN without positives. Read-only."""
        return self.ranking.per_class

    @property
    def mean(self) -> float:
        """Mean over the classes with positives."""
        return self.ranking.mean


def _ranking_scores(
    scores: npt.ArrayLike, responses: npt.ArrayLike | None, options: LocationOptions
) -> Float64Array:
    if options.ranking == "score":
        return np.asarray(scores, dtype=np.float64)
    if responses is None:
        raise ConfigurationError(
            "ranking is 'response' but responses is None: pass the responses, or rank by 'score'",
            parameter="ranking",
        )
    return np.asarray(responses, dtype=np.float64)


def location_ap(
    points: npt.ArrayLike,
    sizes: Sequence[Size],
    ground_truth: GroundTruth,
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    responses: npt.ArrayLike | None = None,
    options: LocationOptions | None = None,
) -> LocationResult:
    """Compute location average precision (paper, section 6).

    Args:
        points: (N, K, 2) x and y in image coordinates.
        sizes: N image sizes.
        ground_truth: the annotated boxes of the N images.
        labels: (N, K) +1 present, −1 absent, 0 ignored.
        scores: (N, K) classification scores.
        responses: (N, K) values of the maps at the points; required only if ``ranking`` is "response".
        options: the choices that the paper leaves open; None for the defaults.

    Raises:
        ConfigurationError: the responses are required but missing, or the score of a counted pair is NaN.
        ValueError: shapes differ, or a label is not −1, 0 or +1.
    """
    options = options or LocationOptions()
    outcomes = location_outcomes(points, sizes, ground_truth, labels, options)
    ranking = location_ranking(outcomes, _ranking_scores(scores, responses, options), options.flavour)
    return LocationResult(outcomes, ranking, options)


class LocationAccumulator:
    """Computes location average precision from images that are added one by one.

    Only the outcome and the score of each pair are stored. The result of `compute` is identical to that of
    `location_ap` for all images together.
    """

    def __init__(self, options: LocationOptions | None = None) -> None:
        self.options = options or LocationOptions()
        self._outcomes: list[Outcomes] = []
        self._scores: list[Float64Array] = []

    def add(
        self,
        points: npt.ArrayLike,
        size: Size,
        ground_truth: GroundTruth,
        labels: npt.ArrayLike,
        scores: npt.ArrayLike,
        responses: npt.ArrayLike | None = None,
    ) -> Outcomes:
        """Add one image: its (K, 2) points, (K,) labels, scores and responses.

        Returns:
            (K,) int8 `Outcome` values of this image.

        Raises:
            ConfigurationError: the responses are required but missing, or the score of a counted pair is NaN.
            ValueError: shapes differ, or do not match those of earlier images.
        """
        point, label = np.asarray(points, dtype=np.float64)[None], np.asarray(labels)[None]
        outcomes = location_outcomes(point, [size], ground_truth, label, self.options)
        ranked = _ranking_scores(scores, responses, self.options)
        # Called only to check the scores, so that a NaN raises an error when its image is added.
        location_ranking(outcomes, ranked[None])
        if self._outcomes and self._outcomes[0].shape != outcomes[0].shape:
            raise ValueError(
                f"the image has {outcomes.shape[1]} classes, but earlier images have {len(self._outcomes[0])}"
            )
        self._outcomes.append(outcomes[0])
        self._scores.append(ranked.copy())
        return self._outcomes[-1]

    def compute(self) -> LocationResult:
        """Compute the result over all images added so far.

        Raises:
            DatasetError: no images were added.
        """
        if not self._outcomes:
            raise DatasetError("no images were added: add at least one")
        outcomes = np.stack(self._outcomes)
        ranking = location_ranking(outcomes, np.stack(self._scores), self.options.flavour)
        return LocationResult(outcomes, ranking, self.options)

"""Draw boxes from the score maps of models that were trained without boxes (paper, end of section 6).

With a single threshold, one box may be too small for its object while another covers two objects. Boxes are
therefore drawn at many levels. Each box is weighted by the peak of the map inside it and by how close its level is
to the box threshold, and non-maximum suppression keeps the boxes with the highest weights. An isolated object then
gets one box, and two objects whose regions separate only at a high level get one box each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from freeloc._typing import Float32Array, Float64Array
from freeloc._validation import Count, Positive, check_fields
from freeloc.errors import ConfigurationError
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.nms import nms
from freeloc.inference.regions import find_regions
from freeloc.metrics import Detections
from freeloc.models.header import DEFAULT_BOX_THRESHOLD

__all__ = ["MIN_PROBABILITY", "BoxOptions", "boxes_from_map", "detections_from_classes"]

MIN_PROBABILITY = 0.01
"""Minimum probability of a class for which boxes are drawn."""


@dataclass(frozen=True, slots=True)
class BoxOptions:
    """Options for drawing boxes around the high regions of a map.

    A box is drawn around every connected region that exceeds one of ``levels``. Its weight is::

        (peak / maximum) ** exponent · exp(−((level − box threshold) / bandwidth)² / 2)

    Attributes:
        levels: fractions of the map's maximum; each is above 0 and below 1.
        bandwidth: how slowly the weight decreases with the distance of the level from the box threshold.
        exponent: how quickly the weight decreases as the region's peak becomes lower.
        min_peak: minimum peak of a region, as a fraction of the map's maximum.
        iou_threshold: intersection over union above which the box with the lower weight is suppressed, among boxes
            of one class.
        max_boxes: maximum number of boxes per class and image.

    Raises:
        ConfigurationError: an option has the wrong type or is out of range.
    """

    levels: tuple[Annotated[float, Meta(gt=0, lt=1)], ...] = (
        0.15,
        0.2,
        0.25,
        0.3,
        0.35,
        0.4,
        0.45,
        0.5,
        0.6,
        0.7,
    )
    bandwidth: Positive = 0.25
    exponent: float = 2.0
    min_peak: float = 0.25
    iou_threshold: float = 0.4
    max_boxes: Count = 8

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.levels:
            raise ConfigurationError("levels is empty: specify at least one level", parameter="levels")


def boxes_from_map(
    maps: Float32Array,
    probabilities: npt.ArrayLike,
    lattice: Lattice,
    box_thresholds: float | Sequence[float] = DEFAULT_BOX_THRESHOLD,
    options: BoxOptions | None = None,
) -> Detections:
    """Draw boxes around the high regions of an image's maps.

    Args:
        maps: (K, rows, cols) between 0 and 1; see `freeloc.inference.result.Localization.normalized_maps`.
        probabilities: (K,) probabilities that the classes are present.
        lattice: positions of the maps' values in the image.
        box_thresholds: fraction of a map's maximum at which boxes fit objects best; one number for all classes or
            one per class.
        options: how boxes are drawn.

    Returns:
        The boxes of all classes, ordered by class and then by decreasing score; ``image`` is 0 for every box. The
        score of a box is its weight times the probability of its class.
    """
    options = options or BoxOptions()
    likelihoods = np.asarray(probabilities, dtype=np.float64)
    best_levels = np.broadcast_to(np.asarray(box_thresholds, dtype=np.float64), (len(maps),))
    classes = []
    likely = np.flatnonzero(likelihoods >= MIN_PROBABILITY)
    regions = find_regions(maps[likely], options.levels)
    pixels = (lattice.image_size.width / lattice.cols, lattice.image_size.height / lattice.rows)
    for position, label in enumerate(likely):
        own = np.flatnonzero((regions.owner == position) & (regions.peak >= options.min_peak))
        boxes = regions.edges[own] * np.tile(pixels, 2)
        deviations = (regions.level[own] - best_levels[label]) / options.bandwidth
        weights = regions.peak[own] ** options.exponent * np.exp(-(deviations**2) / 2)
        kept = nms(boxes, weights, options.iou_threshold)[: options.max_boxes]
        classes.append((int(label), likelihoods[label] * weights[kept], boxes[kept]))
    return detections_from_classes(classes)


def detections_from_classes(classes: Iterable[tuple[int, Float64Array, Float64Array]]) -> Detections:
    """Combine the boxes of several classes in one image.

    Args:
        classes: for each class, its index, (M,) scores and (M, 4) boxes.
    """
    labels, scores, boxes = [np.zeros(0, np.intp)], [np.zeros(0)], [np.zeros((0, 4))]
    for label, class_scores, class_boxes in classes:
        labels.append(np.full(len(class_scores), label, np.intp))
        scores.append(class_scores)
        boxes.append(class_boxes)
    joined = np.concatenate(labels)
    return Detections(np.zeros_like(joined), joined, np.concatenate(scores), np.concatenate(boxes))

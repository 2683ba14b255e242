"""Draw boxes with the detail features of a network.

Candidates are the regions of three kinds of maps at many levels: the fused map of a class, the mean of the
largest scales, where objects side by side are still apart, and the parts of both around each peak. All
maps are first spread over similar positions (`freeloc.inference.affinity`). No single level fits all objects, but
boxes of the same object at different levels and on different maps resemble each other. A candidate is therefore
rated by how much it overlaps all others, and each chosen box is the weighted mean of the candidates that resemble
it. Candidates that overlap a chosen box are rated lower (soft non-maximum suppression: Bodla et al., ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array, IntpArray
from freeloc.geometry.iou import pairwise_iou
from freeloc.geometry.lattice import Lattice
from freeloc.inference.affinity import AffinitySpread
from freeloc.inference.boxes import BoxOptions, detections_from_classes
from freeloc.inference.instance_cues import InstanceCues
from freeloc.inference.regions import Regions, find_regions, split_at_peaks
from freeloc.metrics import Detections

__all__ = ["BoxCandidates", "choose_boxes"]

_LEVELS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)
_BEST_LEVEL, _BANDWIDTH = 0.2, 0.35
"""The weight of a candidate decreases with the distance of its level from the best level."""

_MIN_PEAK = 0.25
"""Minimum peak of a region, as a fraction of the maximum of its class's map."""

_SMALL_WEIGHT = 0.5
"""Weight of candidates from the larger scales and from parts of maps, relative to those from whole fused maps."""

_PEAK_DISTANCE = 4
_MIN_PEAK_HEIGHT = 0.3
_MAX_PARTS = 6

_SAME_BOX = 0.5
"""Minimum IoU of the candidates whose weighted mean is a box."""

_SUPPRESSION = 0.2
"""The rating of a candidate is multiplied by exp(−IoU² / suppression) for each chosen box."""

_MIN_RATING = 0.02
"""Minimum rating of a box, as a fraction of that of the class's best box."""


@dataclass(frozen=True, eq=False)
class BoxCandidates:
    """The candidate boxes of all classes in one image.

    Attributes:
        of_class: the candidates of each class of the cues, by its index.
        spread: (rows, cols) float32 spread fused map of each of these classes, from 0 to 1.
    """

    of_class: dict[int, _Candidates]
    spread: dict[int, Float32Array]

    @classmethod
    def find(cls, maps: Float32Array, lattice: Lattice, cues: InstanceCues) -> BoxCandidates:
        """Find the candidates.

        Args:
            maps: (K, rows, cols) between 0 and 1; see `freeloc.inference.result.Localization.normalized_maps`.
            lattice: positions of the maps' values in the image.
            cues: what else boxes are drawn from.

        Raises:
            ValueError: there are no detail features.
        """
        if cues.detail is None:
            raise ValueError("there are no detail features to draw boxes with")
        if not len(cues.labels):
            return cls({}, {})
        stacks = [
            _source_maps(maps[label], fine) for label, fine in zip(cues.labels, cues.fine_maps, strict=True)
        ]
        spread = AffinitySpread(cues.detail, lattice)(np.concatenate([stack for stack, _ in stacks]))
        # Every position is a little similar to every other, so a spread map is above 0 everywhere.
        spread -= spread.min(axis=(1, 2), keepdims=True)
        regions = find_regions(spread, _LEVELS)
        pixels = np.tile(
            (lattice.image_size.width / lattice.cols, lattice.image_size.height / lattice.rows), 2
        )
        found, whole, first = {}, {}, 0
        for label, (stack, heights) in zip(cues.labels.tolist(), stacks, strict=True):
            own = np.flatnonzero((regions.owner >= first) & (regions.owner < first + len(stack)))
            found[label] = _Candidates.of(regions, own, regions.owner[own] - first, heights, pixels)
            whole[label] = spread[first] / max(float(spread[first].max()), 1e-9)
            first += len(stack)
        return cls(found, whole)


@dataclass(frozen=True, eq=False)
class _Candidates:
    """The M candidate boxes of one class.

    Attributes:
        boxes: (M, 4) edges in image coordinates.
        weights: (M,) weights by level and kind of map.
        peaks: (M,) highest values, as fractions of the maximum of the class's map.
        overlaps: (M, M) intersections over union.
    """

    boxes: Float64Array
    weights: Float64Array
    peaks: Float64Array
    overlaps: Float64Array

    @classmethod
    def of(
        cls,
        regions: Regions,
        own: IntpArray,
        kinds: IntpArray,
        heights: Sequence[float],
        pixels: Float64Array,
    ) -> _Candidates:
        """Select the regions of one class.

        Args:
            regions: the regions of all classes.
            own: indices of the regions of this class.
            kinds: index of each region's map among the maps of this class.
            heights: maximum of each map of this class, as a fraction of that of the whole map.
            pixels: horizontal, vertical, horizontal and vertical distance of two positions, in image pixels.
        """
        peaks = regions.peak[own] * np.asarray(heights)[kinds]
        kept = peaks >= _MIN_PEAK
        own, kinds = own[kept], kinds[kept]
        weights = _level_weights(regions.level[own]) * np.where(kinds == 0, 1.0, _SMALL_WEIGHT)
        boxes = regions.edges[own] * pixels
        return cls(boxes, weights, peaks[kept], pairwise_iou(boxes, boxes))


def choose_boxes(
    candidates: BoxCandidates,
    probabilities: npt.ArrayLike,
    options: BoxOptions | None = None,
    only: int | None = None,
) -> Detections:
    """Choose the boxes of all classes, or of one.

    Args:
        candidates: the candidate boxes of all classes.
        probabilities: (K,) probabilities that the classes are present.
        options: only ``iou_threshold`` and ``max_boxes`` are used; None for the defaults.
        only: index of a class; None for all classes.

    Returns:
        As `freeloc.inference.boxes.boxes_from_map`. The score of a box is its rating, which is at most 1, times
        the probability of its class.
    """
    options = options or BoxOptions()
    likelihoods = np.asarray(probabilities, dtype=np.float64)
    classes = []
    for label, own in candidates.of_class.items():
        if only not in (None, label):
            continue
        boxes, ratings = _choose(own, options)
        classes.append((label, likelihoods[label] * ratings, boxes))
    return detections_from_classes(classes)


def _level_weights(levels: Float64Array) -> Float64Array:
    weights: Float64Array = np.exp(-(((levels - _BEST_LEVEL) / _BANDWIDTH) ** 2) / 2)
    return weights


def _source_maps(fused: Float32Array, fine: Float32Array) -> tuple[Float32Array, list[float]]:
    """Return the maps from which a class's candidates are drawn, and their maxima as fractions of the whole's."""
    mean = (fused + fine) / np.float32(2)
    parts = split_at_peaks(mean, distance=_PEAK_DISTANCE, min_height=_MIN_PEAK_HEIGHT, count=_MAX_PARTS)
    maps = np.stack([fused, fine, *(part.values for part in parts)])
    return maps, [1.0, 1.0, *(part.height for part in parts)]


def _choose(candidates: _Candidates, options: BoxOptions) -> tuple[Float64Array, Float64Array]:
    """Return the boxes of one class and their ratings, best first."""
    weights, overlaps = candidates.weights, candidates.overlaps
    # Regions at one level are disjoint, so a box overlaps about one of them on each of the three kinds of maps.
    most = (1 + 2 * _SMALL_WEIGHT) * _level_weights(np.array(_LEVELS)).sum()
    ratings = np.minimum(overlaps @ weights / most, 1) * candidates.peaks
    boxes: list[Float64Array] = []
    chosen: list[float] = []
    while len(ratings) and len(boxes) < options.max_boxes:
        best = int(np.argmax(ratings))
        rating = float(ratings[best])
        if rating <= (_MIN_RATING * chosen[0] if chosen else 0):
            break
        similar = np.where(overlaps[best] >= _SAME_BOX, overlaps[best] ** 2 * weights, 0)
        mean = similar @ candidates.boxes / similar.sum()
        # Rounding may leave the range of the values, and so the image.
        boxes.append(np.clip(mean, candidates.boxes.min(axis=0), candidates.boxes.max(axis=0)))
        chosen.append(rating)
        ratings = ratings * np.exp(-(overlaps[best] ** 2) / _SUPPRESSION)
        ratings[overlaps[best] > options.iou_threshold] = 0
        ratings[best] = 0
    return np.array(boxes, dtype=np.float64).reshape(-1, 4), np.array(chosen, dtype=np.float64)

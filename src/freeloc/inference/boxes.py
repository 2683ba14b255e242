"""From score maps to boxes: how far objects reach, known from tags alone (section 6 of the paper, last part).

A box drawn around all that exceeds one share of a map's highest value is too small for one object and holds two of
another. Here boxes are drawn at many shares at once, each is weighed by how near its share lies to a chosen level
and by how high the map rises inside it, and of those that overlap the weightiest stays: one object gets one box,
and two that part only high up get two.

Boxes that somebody else proposes can be ranked by the same maps: `rank_proposals`, the paper's own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.errors import ConfigurationError
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.nms import nms
from freeloc.models.header import DEFAULT_BOX_THRESHOLD

__all__ = [
    "BoxOptions",
    "BoxSet",
    "box_threshold_from_tags",
    "boxes_from_map",
]


_LEAST_PROBABILITY = 0.01
"""Classes less probable than this get no box."""


@dataclass(frozen=True, slots=True)
class BoxOptions:
    """How boxes are drawn around the high regions of a map.

    A box is drawn around every connected region that exceeds one of ``levels``. Its weight is

        (peak / maximum) ** exponent · exp(−((level − box threshold) / bandwidth)² / 2)

    Attributes:
        levels: shares of the map's maximum; each is above 0 and below 1.
        bandwidth: how quickly the weight falls as the level moves away from the box threshold.
        exponent: how quickly the weight falls with the region's peak.
        min_peak: regions whose peak is below this share of the map's maximum are dropped.
        iou_threshold: of two boxes of one class whose intersection over union exceeds it, the one with the lower
            weight is dropped.
        max_boxes: maximum number of boxes per class and image.

    Raises:
        ConfigurationError: an option is out of range.
    """

    levels: tuple[float, ...] = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)
    bandwidth: float = 0.25
    exponent: float = 2.0
    min_peak: float = 0.25
    iou_threshold: float = 0.4
    max_boxes: int = 8

    def __post_init__(self) -> None:
        if not self.levels or not all(0 < level < 1 for level in self.levels):
            raise ConfigurationError(
                f"levels must be one or more numbers above 0 and below 1, got {self.levels}",
                parameter="levels",
            )
        if not self.bandwidth > 0:
            raise ConfigurationError(
                f"bandwidth must be above 0, got {self.bandwidth:g}", parameter="bandwidth"
            )
        if self.max_boxes < 1:
            raise ConfigurationError(
                f"max_boxes must be at least 1, got {self.max_boxes}", parameter="max_boxes"
            )


@dataclass(frozen=True, eq=False)
class BoxSet:
    """Boxes in one image, the surest of each class first.

    Attributes:
        labels: (M,) class indices.
        scores: (M,) float64, the class's probability times the weight of the box.
        corners: (M, 4) float64 ``x1, y1, x2, y2``, edges in image pixels.
    """

    labels: npt.NDArray[np.intp]
    scores: Float64Array
    corners: Float64Array

    @classmethod
    def of(cls, found: Sequence[tuple[int, Float64Array, Float64Array]]) -> BoxSet:
        """From class, scores and boxes of one class after the other."""
        return cls(
            np.concatenate([np.full(len(scores), label, np.intp) for label, scores, _ in found] or [_NONE]),
            np.concatenate([scores for _, scores, _ in found] or [np.zeros(0)]),
            np.concatenate([boxes for _, _, boxes in found] or [np.zeros((0, 4))]),
        )


_NONE: npt.NDArray[np.intp] = np.zeros(0, np.intp)


def boxes_from_map(
    maps: Float32Array,
    probabilities: npt.ArrayLike,
    lattice: Lattice,
    thresholds: float | Sequence[float] = DEFAULT_BOX_THRESHOLD,
    options: BoxOptions | None = None,
) -> BoxSet:
    """Boxes around what the maps of an image show.

    Args:
        maps: (K, rows, cols) between 0 and 1, see `freeloc.inference.result.Localization.normalized_maps`.
        probabilities: (K,) how sure it is that a class is there at all.
        lattice: where the maps lie in the image.
        thresholds: share of a class's highest value at which its boxes are drawn best; one for all, or K.
        options: how boxes are drawn.
    """
    options = options or BoxOptions()
    sure = np.asarray(probabilities, dtype=np.float64)
    best_at = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), (len(maps),))
    found = []
    for label in np.flatnonzero(sure >= _LEAST_PROBABILITY):
        shares, heights, boxes = _drawn(maps[label], lattice, options)
        away = (shares - best_at[label]) / options.bandwidth
        weights = heights**options.exponent * np.exp(-(away**2) / 2)
        kept = nms(boxes, weights, options.iou_threshold)[: options.max_boxes]
        found.append((int(label), sure[label] * weights[kept], boxes[kept]))
    return BoxSet.of(found)


def box_threshold_from_tags(
    peaks: Float32Array | Float64Array, labels: npt.NDArray[np.integer], share: float = 0.005
) -> float:
    """The level at which boxes are drawn best, from tags alone.

    A place says that a class is there where it is higher than images without the class get anywhere: the
    level is what one in two hundred of those still reaches, as a share of what the middle one of the images
    with the class reaches. Of all classes the middle one is taken: class by class, the rule was measured to tell
    no more.

    Args:
        peaks: (N, K) highest values of the fused maps.
        labels: (N, K) +1 where a class is tagged, −1 where it is not there.
        share: of the images without a class that reach the level.

    Returns:
        A share between the lowest and the highest that make sense; `LEVEL` where no class has both kinds.
    """
    found = []
    for heights, tags in zip(np.asarray(peaks).T, np.asarray(labels).T, strict=True):
        there, absent = heights[tags > 0], heights[tags < 0]
        if len(there) and len(absent):
            found.append(np.quantile(absent, 1 - share) / np.median(there))
    return float(np.clip(np.median(found), *_SENSIBLE)) if found else DEFAULT_BOX_THRESHOLD


_SENSIBLE = (0.2, 0.4)
"""Levels outside are no levels: lower ones draw boxes around everything, higher ones around points."""


def _drawn(
    values: Float32Array, lattice: Lattice, options: BoxOptions
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Share and height, both of the highest value, and box of all connected places above each share."""
    highest = float(values.max())
    if highest <= 0:
        return np.zeros(0), np.zeros(0), np.zeros((0, 4))
    found = [
        part
        for part in _components(values, [share * highest for share in sorted(options.levels, reverse=True)])
        if part.height >= options.min_peak * highest
    ]
    edges = np.array([part.edges for part in found], dtype=np.float64)
    per_cell = (lattice.image_size.width / lattice.cols, lattice.image_size.height / lattice.rows)
    shares = np.array([part.floor for part in found]) / highest
    heights = np.array([part.height for part in found]) / highest
    return shares, heights, edges * np.tile(per_cell, 2)


@dataclass(frozen=True, slots=True)
class _Part:
    """Connected places above a floor.

    Attributes:
        floor: all of them are at least so high.
        height: of the highest.
        edges: ``x1, y1, x2, y2`` in places of the raster.
    """

    floor: float
    height: float
    edges: tuple[int, int, int, int]


def _components(values: Float32Array, floors: Sequence[float]) -> list[_Part]:
    """Connected places above each of some floors, by flooding once from the highest place down.

    Places are joined with those above, below, left and right.

    Args:
        values: (rows, cols).
        floors: from high to low.
    """
    rows, cols = values.shape
    flat = values.ravel()
    order = np.argsort(-flat, kind="stable")
    parent = np.full(flat.size, -1).tolist()
    edges: dict[int, list[int]] = {}  # of the components' highest places, which stand for them

    def top(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return int(place)

    def join(one: int, other: int) -> None:
        if one == other:
            return
        high, low = (one, other) if flat[one] >= flat[other] else (other, one)
        parent[low] = high
        left, above, right, below = edges.pop(low)
        own = edges[high]
        edges[high] = [min(own[0], left), min(own[1], above), max(own[2], right), max(own[3], below)]

    found: list[_Part] = []
    begin = 0
    for floor in floors:
        end = int(np.searchsorted(-flat[order], -floor, side="right"))
        for place in order[begin:end].tolist():
            row, col = divmod(place, cols)
            parent[place] = place
            edges[place] = [col, row, col + 1, row + 1]
            beside = (
                *((place - 1,) if col else ()),
                *((place + 1,) if col + 1 < cols else ()),
                *((place - cols,) if row else ()),
                *((place + cols,) if row + 1 < rows else ()),
            )
            for other in beside:
                if parent[other] >= 0:
                    join(top(place), top(other))
        begin = end
        found += [
            _Part(floor, float(flat[key]), (box[0], box[1], box[2], box[3])) for key, box in edges.items()
        ]
    return found

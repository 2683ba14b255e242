"""Connected regions of maps at several levels, and the parts of a map around its peaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeloc._typing import Float32Array, Float64Array, IntpArray

__all__ = ["MapPart", "Regions", "find_regions", "split_at_peaks"]

_IN_PLANE = np.zeros((3, 3, 3), dtype=np.bool_)
_IN_PLANE[1] = [[False, True, False], [True, True, True], [False, True, False]]
"""Neighbors of a position in a stack of maps: the four beside it in the same map."""


@dataclass(frozen=True, eq=False)
class Regions:
    """N connected regions of M maps, each above a level.

    Attributes:
        owner: (N,) index of the map.
        level: (N,) level, as a fraction of the map's maximum.
        peak: (N,) highest value in the region, as a fraction of the map's maximum.
        edges: (N, 4) ``x1, y1, x2, y2`` in positions of the map.
    """

    owner: IntpArray
    level: Float64Array
    peak: Float64Array
    edges: Float64Array


def find_regions(maps: Float32Array, levels: Sequence[float]) -> Regions:
    """Find the 4-connected regions of each map whose values reach each level.

    Args:
        maps: (M, rows, cols) non-negative maps; one without a positive value has no regions.
        levels: fractions of each map's maximum.
    """
    from scipy import ndimage  # takes time to load, and only boxes require it

    maps = np.nan_to_num(maps)  # a map of invalid values has no regions
    maxima = maps.max(axis=(1, 2), initial=0)
    relative = maps / np.where(maxima > 0, maxima, 1)[:, None, None]
    found: list[tuple[float, ...]] = []
    for level in levels if maps.size else ():
        labels, count = ndimage.label(relative >= level, _IN_PLANE)
        peaks = np.zeros(count + 1, np.float32)
        np.maximum.at(peaks, labels.ravel(), relative.ravel())
        for peak, (owner, rows, cols) in zip(peaks[1:], ndimage.find_objects(labels), strict=True):
            found.append((owner.start, level, peak, cols.start, rows.start, cols.stop, rows.stop))
    table = np.array(found, dtype=np.float64).reshape(-1, 7)
    return Regions(table[:, 0].astype(np.intp), table[:, 1], table[:, 2], table[:, 3:])


@dataclass(frozen=True, eq=False)
class MapPart:
    """The part of a map around one of its peaks.

    Attributes:
        values: (rows, cols) float32, 0 outside the part.
        height: value of the peak, as a fraction of the map's maximum.
    """

    values: Float32Array
    height: float


def split_at_peaks(values: Float32Array, *, distance: int, min_height: float, count: int) -> list[MapPart]:
    """Split a map into the parts that belong to its peaks, highest first.

    A peak is the maximum within a distance. Every position belongs to the peak that is reached by moving to the
    highest position within this distance, again and again.

    Args:
        values: (rows, cols) non-negative float32 map.
        distance: number of positions along each axis.
        min_height: minimum value of a peak, as a fraction of the map's maximum.
        count: maximum number of peaks.

    Returns:
        The parts; none if the map has a single peak.
    """
    from scipy import ndimage

    maximum = float(values.max())
    if maximum <= 0:
        return []
    order = np.argsort(values, axis=None, kind="stable")
    ranks = np.empty(values.size, np.int32)
    ranks[order] = np.arange(values.size, dtype=np.int32)
    highest = ndimage.maximum_filter(ranks.reshape(values.shape), size=2 * distance + 1, mode="nearest")
    target = order[highest.ravel()]
    while not np.array_equal(following := target[target], target):
        target = following
    peaks = np.unique(target)
    heights = values.ravel()[peaks] / maximum
    best = np.argsort(-heights, kind="stable")[:count]
    best = best[heights[best] >= min_height]
    if len(best) < 2:
        return []
    member = target.reshape(values.shape)
    return [
        MapPart(np.where(member == peaks[index], values, np.float32(0)), float(heights[index]))
        for index in best
    ]

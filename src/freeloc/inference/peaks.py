"""Find several locations of one class: local maxima of its maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._literals import LocationMode, PointKind
from freeloc._typing import BoolArray, Float32Array
from freeloc.geometry.lattice import Lattice
from freeloc.inference.central_point import central_position
from freeloc.inference.score_map import sigmoid

__all__ = ["Peak", "PeakOptions", "find_instances", "find_peaks"]


@dataclass(frozen=True, slots=True)
class Peak:
    """One location of a class.

    Attributes:
        x: horizontal image coordinate.
        y: vertical image coordinate.
        value: of the class's point, the value of the map there. Of another peak of the same map, its value there.
            Of a peak of the map of the largest scales, its value there as a fraction of that map's maximum, times
            the value of the point.
    """

    x: float
    y: float
    value: float


@dataclass(frozen=True, slots=True)
class PeakOptions:
    """How many peaks to find, and where; see `freeloc.inference.result.Localization.peaks`.

    Attributes:
        count: maximum number of peaks.
        min_distance: minimum distance between two peaks, in image coordinates.
        relative_threshold: minimum normalized value of a maximum, as a fraction of the highest one.
        mode: how points are located.
        point: which place of an object its point is.
    """

    count: int
    min_distance: float
    relative_threshold: float
    mode: LocationMode = "fused"
    point: PointKind = "salient"


def find_instances(
    point: Peak, values: Float32Array, fine: Float32Array | None, lattice: Lattice, options: PeakOptions
) -> tuple[Peak, ...]:
    """Find the locations of one class: its point, and then others, highest first.

    Any two of them are at least the minimum distance apart. Central peaks are maxima that were moved; those that
    come too close to a higher one are left out.

    Args:
        point: the class's point.
        values: (rows, cols) map of the class.
        fine: (rows, cols) map of the largest scales; None to find peaks in ``values``.
        lattice: positions of the values in the image.
        options: how many peaks to find, and where.
    """
    raw = options.mode == "paper"
    central = options.point == "central" and not raw
    if fine is not None:
        normalized, values = fine, fine * np.float32(point.value / max(float(fine.max()), 1e-9))
    else:
        normalized = sigmoid(values) if raw else values
    found = find_peaks(
        values,
        normalized,
        lattice,
        # The point excludes at most five that are this far apart; maxima that are moved may come together.
        count=values.size if central else options.count + 5,
        min_distance=options.min_distance,
        relative_threshold=options.relative_threshold,
    )
    if central:
        moved = [_central(peak, values, lattice) for peak in found]
        found = tuple(sorted(moved, key=lambda peak: -peak.value))
    elif fine is None and not raw:
        return found[: options.count]  # the first of them is the point
    # In mode "paper", the point is the center of a cell; the maximum of the map on the lattice is a few pixels
    # away and slightly lower. The maximum of the map of the largest scales is elsewhere on the same object.
    distance = max(options.min_distance, 1e-6)
    chosen = [point]
    for peak in found:
        if all(np.hypot(peak.x - other.x, peak.y - other.y) >= distance for other in chosen):
            chosen.append(peak)
    return tuple(chosen[: options.count])


def _central(peak: Peak, values: Float32Array, lattice: Lattice) -> Peak:
    row, col = lattice.nearest(peak.x, peak.y)
    row, col = central_position(values, (row, col))
    x, y = lattice.to_image((row, col))
    return Peak(float(x), float(y), float(values[row, col]))


def find_peaks(
    values: Float32Array,
    normalized: Float32Array,
    lattice: Lattice,
    *,
    count: int,
    min_distance: float,
    relative_threshold: float,
) -> tuple[Peak, ...]:
    """Find the local maxima of a map, highest first; ties are ordered by distance from the image center.

    A plateau counts as one maximum unless it is adjacent to a higher value.

    Args:
        values: (rows, cols) map of one class.
        normalized: (rows, cols) the map normalized to values between 0 and 1.
        lattice: positions of the values in the image.
        count: maximum number of peaks.
        min_distance: minimum distance between two peaks, in image coordinates.
        relative_threshold: minimum normalized value of a peak, as a fraction of the highest peak's value.
    """
    neighbors = _neighbors(values, -np.inf)
    equal = neighbors == values
    # A plateau is a maximum only if none of its positions has a higher neighbor.
    not_maximal = _flood(neighbors.max(axis=0) > values, equal)
    candidates = np.argwhere(~not_maximal)
    heights, shares = values[~not_maximal], normalized[~not_maximal]
    order = np.lexsort((lattice.distance_to_center[~not_maximal], -heights))
    points = lattice.to_image(candidates)
    floor = relative_threshold * float(shares.max())
    visited = np.zeros(values.shape, dtype=np.bool_)
    chosen: list[int] = []
    for index in order:
        if len(chosen) == count or shares[index] < floor:
            break
        row, col = candidates[index]
        if visited[row, col]:
            continue
        if equal[:, row, col].any():
            seed = np.zeros(values.shape, dtype=np.bool_)
            seed[row, col] = True
            visited |= _flood(seed, equal)
        if all(np.hypot(*(points[index] - points[other])) >= min_distance for other in chosen):
            chosen.append(int(index))
    return tuple(Peak(float(points[i, 0]), float(points[i, 1]), float(heights[i])) for i in chosen)


def _neighbors(values: npt.NDArray[Any], outside: float) -> npt.NDArray[Any]:
    """Return the (8, rows, cols) neighbors of every position; those beyond the border are ``outside``."""
    rows, cols = values.shape
    padded = np.pad(values, 1, constant_values=outside)
    return np.stack(
        [
            padded[1 + down : 1 + down + rows, 1 + right : 1 + right + cols]
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if down or right
        ]
    )


def _flood(seeds: BoolArray, equal: BoolArray) -> BoolArray:
    """Extend ``seeds`` to connected positions of equal value.

    Args:
        seeds: (rows, cols).
        equal: (8, rows, cols) whether each neighbor of a position has an equal value.
    """
    while True:
        grown = seeds | (equal & _neighbors(seeds, False)).any(axis=0)
        if np.array_equal(grown, seeds):
            return seeds
        seeds = grown

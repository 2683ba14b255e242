"""Find the local maxima of a class's map: several locations of one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._typing import BoolArray, Float32Array
from freeloc.geometry.lattice import Lattice

__all__ = ["Peak", "find_peaks"]


@dataclass(frozen=True, slots=True)
class Peak:
    """One local maximum of a class's map.

    Attributes:
        x: horizontal image coordinate.
        y: vertical image coordinate.
        value: value of the map.
    """

    x: float
    y: float
    value: float


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

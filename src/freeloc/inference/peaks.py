"""Several locations of one class: the local maxima of its map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.geometry.lattice import Lattice

__all__ = ["Peak", "find_peaks"]


@dataclass(frozen=True, slots=True)
class Peak:
    """One local maximum of a class's map: a point in image pixels and the map's value there."""

    x: float
    y: float
    value: float


def find_peaks(
    heights: Float32Array,
    strengths: Float32Array,
    lattice: Lattice,
    *,
    count: int,
    distance: float,
    threshold: float,
) -> tuple[Peak, ...]:
    """The local maxima of a map, highest first; of equals, the one nearest the image's middle.

    A flat of several places is one maximum, and none where it touches something higher.

    Args:
        heights: (rows, cols) float32 map of one class.
        strengths: (rows, cols) float32 the same as values between 0 and 1.
        lattice: where the map lies.
        count: at most so many.
        distance: two of them lie at least so far apart, in image pixels.
        threshold: each is at least so strong, as a share of the strongest.
    """
    around = _neighbours(heights, -np.inf)
    level = around == heights
    # A flat that touches something higher is no maximum, and one that does not is one, not one per place.
    slope = _flooded(around.max(axis=0) > heights, level)
    candidates = np.argwhere(~slope)
    values, shares = heights[~slope], strengths[~slope]
    order = np.lexsort((lattice.from_middle[~slope], -values))
    points = lattice.to_image(candidates)
    floor = threshold * float(shares.max())
    taken = np.zeros(heights.shape, dtype=np.bool_)
    kept: list[int] = []
    for index in order:
        if len(kept) == count or shares[index] < floor:
            break
        row, col = candidates[index]
        if taken[row, col]:
            continue
        if level[:, row, col].any():
            seed = np.zeros(heights.shape, dtype=np.bool_)
            seed[row, col] = True
            taken |= _flooded(seed, level)
        if all(np.hypot(*(points[index] - points[other])) >= distance for other in kept):
            kept.append(int(index))
    return tuple(Peak(float(points[i, 0]), float(points[i, 1]), float(values[i])) for i in kept)


def _neighbours(values: npt.NDArray[Any], outside: float) -> npt.NDArray[Any]:
    """(8, rows, cols) the eight neighbours of every place; ``outside`` where there is none."""
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


def _flooded(seeds: npt.NDArray[np.bool_], level: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """``seeds`` grown over neighbours of the same height; ``level`` says which of the eight are."""
    while True:
        grown = seeds | (level & _neighbours(seeds, False)).any(axis=0)
        if np.array_equal(grown, seeds):
            return seeds
        seeds = grown

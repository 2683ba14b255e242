"""Aggregation of score maps inside boxes (paper, end of section 6).

The paper ranks the proposals of selective search by the scores inside them, but does not say how it aggregates
these scores. This module computes plain aggregates of any map, before or after the logistic function.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from freeloc._typing import Float32Array, Float64Array
from freeloc.geometry.lattice import Lattice

__all__ = ["Aggregate", "aggregate", "sums_and_areas"]

Aggregate = Literal["sum", "mean", "max", "sum_over_side"]
"""How the values inside a box become one number: their sum, mean or maximum, or their sum divided by the square
root of the box's area. The sum of positive values favors large boxes, and the mean favors small ones; the last
lies between them."""


def aggregate(maps: Float32Array, lattice: Lattice, boxes: Float64Array, how: Aggregate) -> Float64Array:
    """Aggregate the values of each map inside each box.

    Areas are measured in cells of the lattice, whose spacing is 8 pixels of the image at scale 1 by default. A box
    smaller than one cell counts as one cell.

    Args:
        maps: (K, rows, cols).
        lattice: positions of the map values.
        boxes: (P, 4) edges in image coordinates; they are clipped to the image.
        how: the aggregate. "max" takes all cells that the box touches; the others weight each cell by the fraction
            of it inside the box.

    Returns:
        (K, P) float64.
    """
    if how == "max":
        return _maxima(maps, lattice, boxes)
    sums, areas = sums_and_areas(maps, lattice, boxes)
    if how == "sum":
        return sums
    cells = np.maximum(areas, 1)
    return sums / (cells if how == "mean" else np.sqrt(cells))


def sums_and_areas(
    maps: Float32Array, lattice: Lattice, boxes: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Sum the values of each map inside each box, and compute the area of each box in lattice cells.

    Args:
        maps: (K, rows, cols).
        lattice: positions of the map values.
        boxes: (P, 4) in image coordinates; they are clipped to the image.

    Returns:
        (K, P) sums and (P,) areas, both float64.
    """
    rows, cols = lattice.rows, lattice.cols
    table = np.zeros((len(maps), rows + 1, cols + 1))
    table[:, 1:, 1:] = maps.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    (left, right), (top, bottom) = _on_lattice(lattice, boxes)

    def cumulative(bottom: Float64Array, right: Float64Array) -> Float64Array:
        """Sum the map values above and to the left of each point, with linear interpolation within cells."""
        row, col = (np.minimum(at.astype(np.intp), last - 1) for at, last in ((bottom, rows), (right, cols)))
        row_part, col_part = bottom - row, right - col
        above = table[:, row, col] * (1 - col_part) + table[:, row, col + 1] * col_part
        below = table[:, row + 1, col] * (1 - col_part) + table[:, row + 1, col + 1] * col_part
        total: Float64Array = above * (1 - row_part) + below * row_part
        return total

    inside = (
        cumulative(bottom, right) - cumulative(top, right) - cumulative(bottom, left) + cumulative(top, left)
    )
    return inside, (bottom - top) * (right - left)


def _maxima(maps: Float32Array, lattice: Lattice, boxes: Float64Array) -> Float64Array:
    maxima = np.empty((len(maps), len(boxes)))
    edges = _on_lattice(lattice, boxes)
    spans = []
    for (low, high), count in zip(edges, (lattice.cols, lattice.rows), strict=True):
        first = np.minimum(np.floor(low).astype(np.intp), count - 1)
        spans.append((first, np.maximum(np.ceil(high).astype(np.intp), first + 1)))
    (left, right), (top, bottom) = spans
    for place in range(len(boxes)):
        cut = maps[:, top[place] : bottom[place], left[place] : right[place]]
        maxima[:, place] = cut.max(axis=(1, 2))
    return maxima


def _on_lattice(lattice: Lattice, boxes: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the (2, P) left and right edges, and the top and bottom edges, in lattice cells."""
    size = lattice.image_size
    x = np.clip(boxes[:, [0, 2]] * (lattice.cols / size.width), 0, lattice.cols)
    y = np.clip(boxes[:, [1, 3]] * (lattice.rows / size.height), 0, lattice.rows)
    return x.T, y.T

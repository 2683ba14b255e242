"""Find points in a graph, as `freeloc.inference.fusion` does."""

from __future__ import annotations

from typing import Final

import numpy as np

from freeloc.posttraining.export.axis import ImageAxis, ScaleAxis
from freeloc.posttraining.export.graph import Value

__all__ = ["highest_cells", "highest_on_lattice"]

_FAR: Final = 1e30
"""A squared distance that no two positions of an image have."""


def highest_on_lattice(maps: Value, axes: tuple[ImageAxis, ImageAxis]) -> Value:
    """Return the points of the maxima of maps; of equal maxima, that of the one nearest the center.

    Args:
        maps: (K, rows, cols) float32 on the lattice.
        axes: the vertical and the horizontal axis of the image.

    Returns:
        (K, 2) float32 x and y in image coordinates.
    """
    ys, xs = (axis.lattice_positions() for axis in axes)
    offsets = [
        positions - axis.length.cast(np.float64) / 2 for positions, axis in zip((ys, xs), axes, strict=True)
    ]
    distances = ((offsets[0] * offsets[0]).with_axes(1) + offsets[1] * offsets[1]).cast(np.float32)
    is_highest = maps.equals(maps.reduce("Max", 1, 2, keepdims=True))
    candidates = is_highest.where(distances, maps.graph.constant(np.float32(_FAR)))
    best = maps.graph.op("ArgMin", candidates.flat(1), dtype=np.int64, axis=1, keepdims=0)
    rows, cols = divmod(best, axes[1].lattice)
    return _joined(xs.take(cols, 0), ys.take(rows, 0))


def highest_cells(scores: Value, axes: tuple[ScaleAxis, ScaleAxis]) -> tuple[Value, Value]:
    """Return the point of the highest score of each class at one scale, and this score.

    Args:
        scores: (K, rows, cols) float32 raw scores of the valid cells.
        axes: the vertical and the horizontal axis at that scale.

    Returns:
        (K, 2) float32 x and y in image coordinates, and (K,) float32.
    """
    best = scores.graph.op("ArgMax", scores.flat(1), dtype=np.int64, axis=1, keepdims=0)
    rows, cols = divmod(best, axes[1].valid)
    return _joined(axes[1].to_image(cols), axes[0].to_image(rows)), scores.reduce("Max", 1, 2)


def _joined(xs: Value, ys: Value) -> Value:
    return xs.graph.op("Concat", *(values.cast(np.float32).with_axes(1) for values in (xs, ys)), axis=1)

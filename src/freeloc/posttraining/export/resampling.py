"""Resize images in a graph exactly as Pillow does, which `freeloc.images.canvas` uses.

ONNX has an operator for this, Resize with antialiasing, but ONNX Runtime's differs from Pillow by up to 13 gray
levels near the edges of an image. Pillow computes the weights of a triangle filter as integers of 22 bits, applies
them along one axis and then along the other, and rounds to 8 bits after each. The same is done here. The
distances between the centers of pixels are fractions, all with the same denominator, which is left out. Sums are
divided in floating point, because not all runtimes round the quotients of integers correctly.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from freeloc.images.canvas import REDUCING_GAP
from freeloc.posttraining.export.graph import Value

__all__ = ["resize"]

_UNIT: Final = 2.0**22
"""Pillow's weights are whole multiples of the inverse of this number."""

_POWER: Final = 2.0**16
"""A power of two that all smaller ones divide: blocks have at most this many pixels."""


def resize(image: Value, size: tuple[Value, Value], target: tuple[Value, Value]) -> Value:
    """Resize an image like ``Image.resize`` with the filter BILINEAR and a reducing gap.

    Args:
        image: (H, W, 3) uint8.
        size: H and W, int64 scalars.
        target: number of rows and columns of the result, int64 scalars.

    Returns:
        (rows, cols, 3) uint8.
    """
    factors = (_reduction(size[0], target[0]), _reduction(size[1], target[1]))
    is_reduced = (factors[0] * factors[1] - 1).cast(np.bool_)
    (reduced,) = image.graph.choose(is_reduced, lambda: (_reduce(image, size, factors),), lambda: (image,))
    removed = [
        _divided(length, factor) - goal for length, factor, goal in zip(size, factors, target, strict=True)
    ]
    is_down_first = (removed[1] * 2).or_larger(0).is_less(removed[0])

    def along(*axes: int) -> tuple[Value]:
        resized = reduced
        for axis in axes:
            resized = _resize_axis(resized, axis, size[axis], factors[axis], target[axis])
        return (resized,)

    # So does Pillow 13: it starts with the rows if it removes more than twice as many of them as of the columns.
    (resized,) = image.graph.choose(is_down_first, lambda: along(0, 1), lambda: along(1, 0))
    return resized


def _divided(length: Value, factor: Value) -> Value:
    """Return a length divided by a factor, rounded up."""
    return (length + factor - 1) // factor


def _reduction(length: Value, target: Value) -> Value:
    """Return the integer factor by which an axis is reduced first."""
    return (length // (target * int(REDUCING_GAP))).or_larger(1)


def _reduce(image: Value, size: tuple[Value, Value], factors: tuple[Value, Value]) -> Value:
    """Replace blocks of pixels by their mean; the blocks at the end of an axis may be smaller."""
    graph = image.graph
    pairs = list(zip(size, factors, strict=True))
    counts = [_divided(length, factor) for length, factor in pairs]
    missing = [count * factor - length for count, (length, factor) in zip(counts, pairs, strict=True)]
    sides = [
        (length - graph.arange(count) * factor).or_smaller(factor)
        for count, (length, factor) in zip(counts, pairs, strict=True)
    ]
    padded = graph.op("Pad", image.cast(np.float32), graph.vector(0, 0, 0, *missing, 0))
    sums = padded.reshape(counts[0], factors[0], counts[1], factors[1], 3).reduce("Sum", 1, 3)
    pixels = (sides[0].with_axes(1, 2) * sides[1].with_axes(1)).cast(np.float32)
    # Half of the divisor is added for rounding. Pillow multiplies by the rounded inverse of the divisor, so exact
    # multiples are rounded down, too, unless the divisor is a power of two.
    quotients = _POWER / pixels
    inexact = quotients.map("Ceil") - quotients.map("Floor")
    return ((sums + (pixels / 2).map("Floor") - inexact) / pixels).map("Floor").cast(np.uint8)


def _resize_axis(image: Value, axis: int, length: Value, factor: Value, target: Value) -> Value:
    """Resize one axis.

    Args:
        image: (H, W, 3) uint8, already reduced.
        axis: 0 or 1.
        length: length of the axis before it was reduced.
        factor: the factor by which it was reduced.
        target: length of the axis in the result.
    """
    if length.constant is not None and length.constant == target.constant:
        return image
    graph = image.graph
    # One pixel is 2 · target · factor units long, and the filter reaches `reach` units to each side.
    spread = target * factor
    reach = spread.or_larger(length) * 2
    centers = (graph.arange(target) * 2 + 1) * length
    starts = (centers - reach + spread) // (spread * 2)
    taps = graph.arange((reach + spread * 2 - 1) // (spread * 2) * 2 + 1)
    indices = starts.with_axes(1) + taps
    inside = indices.or_larger(0).or_smaller(_divided(length, factor) - 1)
    distances = ((inside * 2 + 1) * spread - centers.with_axes(1)).map("Abs")
    heights = (reach - distances).or_larger(0) * indices.equals(inside).cast(np.int64)
    shares = heights.cast(np.float64) / heights.reduce("Sum", 1, keepdims=True).cast(np.float64)
    weights = (shares * _UNIT + 0.5).map("Floor").cast(np.int32)
    # The taps are an axis of their own, before the columns or the channels.
    weights = weights.with_axes(2) if axis == 1 else weights.with_axes(2, 3)
    sums = (image.take(inside, axis).cast(np.int32) * weights).reduce("Sum", axis + 1)
    return (sums.cast(np.float64) / _UNIT + 0.5).map("Floor").cast(np.uint8)

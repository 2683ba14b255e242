"""Resize images in a graph exactly as Pillow does, which `freeloc.images.canvas` uses.

ONNX has an operator for this, Resize with antialiasing, but ONNX Runtime's differs from Pillow by up to 13 gray
levels near the edges of an image. Pillow computes the weights of a triangle filter as integers of 22 bits, applies
them along one axis and then along the other, and rounds to 8 bits after each. The same is done here. The
distances between the centers of pixels are fractions, all with the same denominator, which is left out.

OpenVINO computes float64 as float32, int64 as int32, and the quotients and sums of integers as float32. Everything
here is exact nevertheless: integers are below 2³¹, and floating-point numbers are whole numbers below 2²⁴.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from freeloc.images.canvas import REDUCING_GAP
from freeloc.posttraining.export.graph import Value

__all__ = ["resize"]

_BASE: Final = 2**11
"""Pillow's weights are whole multiples of 1 / 2048². Each has two digits to the base 2048 here, so that the sums
of their products with up to 13 pixels of 8 bits are exact in float32."""

_INVERSE: Final = 2**24
"""Pillow multiplies by the inverse of a number of pixels as a whole multiple of the inverse of this number."""


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
    padded = graph.op("Pad", image.cast(np.float32), graph.vector(0, 0, 0, *missing, 0))
    sums = padded.reshape(counts[0], factors[0], counts[1], factors[1], 3).reduce("Sum", 1, 3)
    # Sides of all blocks but the last one, and of the last one; their products are the numbers of pixels.
    sides = [graph.vector(factor, factor - lost) for (_, factor), lost in zip(pairs, missing, strict=True)]
    pixels = sides[0].with_axes(1) * sides[1]
    are_last = [graph.arange(count).equals(count - 1).cast(np.int64) for count in counts]

    def of_blocks(values: Value) -> Value:
        return values.cast(np.float32).take(are_last[0], 0).take(are_last[1], 1).with_axes(2)

    # Half of the divisor is added for rounding. Pillow then multiplies by the inverse of the divisor, a number of
    # 24 bits that is rounded down, which makes the dividend smaller. With another half added, the quotient is so
    # far from whole numbers that the division need not be exact.
    sums = sums + of_blocks(pixels // 2)
    lost = of_blocks(graph.constant(np.int64(_INVERSE)) % pixels) / float(_INVERSE)
    return ((sums - (sums * lost).map("Ceil") + 0.5) / of_blocks(pixels)).map("Floor").cast(np.uint8)


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
    weights, indices = _weights(length, factor, target)
    # With this axis first, each of its pixels is one product of matrices: the digits of the weights, and the taps.
    turned = image if axis == 0 else image.transpose(1, 0, 2)
    sums = weights @ turned.flat(1).take(indices, 0).cast(np.float32)
    upper, lower = (sums.take(image.graph.constant(np.int64(digit)), 1) for digit in (0, 1))
    carried = ((lower + _BASE**2 / 2) / _BASE).map("Floor")
    resized = ((upper + carried) / _BASE).map("Floor").cast(np.uint8).reshape(0, -1, 3)
    return resized if axis == 0 else resized.transpose(1, 0, 2)


def _weights(length: Value, factor: Value, target: Value) -> tuple[Value, Value]:
    """Return the weights of the pixels from which each pixel of an axis is computed; see `_resize_axis`.

    Returns:
        The (target, 2, taps) float32 upper and lower digits of the weights, and the (target, taps) int64 indices
        of the pixels.
    """
    graph = length.graph
    # One pixel is 2 · target · factor units long, and the filter reaches `reach` units to each side.
    spread = target * factor
    reach = spread.or_larger(length) * 2
    steps = graph.arange(target) * 2 + 1
    centers = steps * length
    starts = (centers - reach + spread - 1) // (spread * 2)
    taps = graph.arange((reach + spread * 2 - 1) // (spread * 2) * 2 + 1)
    indices = starts.with_axes(1) + taps
    inside = indices.or_larger(0).or_smaller(_divided(length, factor) - 1)
    offsets = (inside * 2 + 1) * spread - centers.with_axes(1)
    heights = reach - offsets.map("Abs")
    is_tap = indices.equals(inside).cast(np.int64) * (1 - heights.is_less(0).cast(np.int64))
    heights = heights * is_tap
    # Pillow stores the length of a reduced axis, a fraction, as float32, so that the weights change a little.
    excess = _excess(length, factor)
    shifts = steps.cast(np.float32).with_axes(1) * excess
    sides = offsets.cast(np.float32).map("Sign")
    nearer = offsets.equals(graph.constant(np.int64(0))).where(0 - shifts.map("Abs"), sides * shifts)
    changes = (excess * 2 + nearer).or_larger(0 - heights.cast(np.float32)) * is_tap.cast(np.float32)
    return _digits(heights, changes), inside


def _digits(heights: Value, changes: Value) -> Value:
    """Return the digits of the shares of the heights in their sum.

    Args:
        heights: (target, taps) int64.
        changes: (target, taps) float32 numbers to add to them, much smaller than the sum.

    Returns:
        (target, 2, taps) float32.
    """
    total = heights.reduce("Sum", 1, keepdims=True)
    upper, rest = divmod(heights * _BASE, total)
    lower, rest = divmod(rest * _BASE, total)
    shares = heights.cast(np.float32) / total.cast(np.float32)
    changes = (changes - shares * changes.reduce("Sum", 1, keepdims=True)) * float(_BASE**2)
    rounded = ((rest.cast(np.float32) + changes) / total.cast(np.float32) + 0.5).map("Floor")
    digits = [upper.cast(np.float32), lower.cast(np.float32) + rounded]
    return heights.graph.op("Concat", *(digit.with_axes(1) for digit in digits), axis=1)


def _excess(length: Value, factor: Value) -> Value:
    """Return by how much the quotient of two lengths grows if it is rounded to float32, times the divisor."""
    graph = length.graph
    whole, rest = divmod(length, factor)
    powers = 2 ** np.arange(25)
    bits = (1 - whole.is_less(graph.constant(powers)).cast(np.int64)).reduce("Sum", 0)
    unit = graph.constant(powers[::-1].copy()).take(bits, 0)  # the inverse of that of the fraction
    lost = rest * unit % factor
    is_rounded_up = 1 - (lost * 2).is_less(factor + 1).cast(np.int64)
    return (is_rounded_up * factor - lost).cast(np.float32) / unit.cast(np.float32)

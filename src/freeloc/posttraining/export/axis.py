"""Sizes and positions along one axis of an image, computed in a graph from the size of the image.

These are the formulas of `freeloc.geometry` as operations of a graph; tests compare both for many sizes. An
exported model needs them, because it computes everything from the pixels on. Both axes have the same formulas, and
each depends on the other only through the longest side.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import REFERENCE_SIDE, Size
from freeloc.inference.score_map import LATTICE_STEP
from freeloc.posttraining.export.graph import Graph, Value
from freeloc.posttraining.export.rounding import rounded_share

__all__ = ["ImageAxis", "ScaleAxis", "hat_weights"]


_MAX_SIDE: Final = 2**16 - 1
"""Length of the longest side of an image, in pixels, up to which its lattice is exactly that of freeloc."""


@cache
def _longest_lattices() -> npt.NDArray[np.uint8]:
    """Return the number of positions of the lattice along the longest side, for every length of that side.

    The exact quotient is 62.5, so rounding errors decide whether there are 62 or 63. A runtime that computes in
    float32 would make other errors.
    """
    sides = range(1, _MAX_SIDE + 1)
    counts = [Lattice.with_spacing(Size(side, 1), LATTICE_STEP).cols for side in sides]
    return np.array([0, *counts], np.uint8)


@dataclass(frozen=True)
class ImageAxis:
    """One axis of an image.

    Attributes:
        graph: the graph in which everything is computed.
        length: length of the image along this axis in pixels, an int64 scalar.
        longest: length of its longest side, an int64 scalar.
        lattice: number of rows or columns of the lattice, an int64 scalar; see `freeloc.geometry.lattice.Lattice`.
    """

    graph: Graph
    length: Value
    longest: Value
    lattice: Value

    @classmethod
    def of(cls, length: Value, longest: Value) -> ImageAxis:
        """Return an axis, for which the length of the lattice is computed."""
        positions = Fraction(REFERENCE_SIDE) / Fraction(LATTICE_STEP)
        lattice = rounded_share(length, longest, positions, _lattice_in_python).or_larger(1)
        known = longest.graph.constant(_longest_lattices()).take(longest.or_smaller(_MAX_SIDE), 0)
        lattice = length.equals(longest).where(known.cast(np.int64), lattice)
        return cls(length.graph, length, longest, lattice)

    def lattice_positions(self) -> Value:
        """Return the image coordinates of the rows or columns of the lattice, a float64 vector."""
        return _fractions(self.lattice, self.length)

    def at_scale(self, pyramid: Pyramid, scale: float, layout: CellLayout) -> ScaleAxis:
        """Return this axis of the image at one scale; see `freeloc.geometry.pyramid.Pyramid.grid`."""
        square = max(1, round(REFERENCE_SIDE * scale))
        if pyramid.resize == "once":
            intermediate, content = None, _resized(self.length, self.longest, square)
        else:
            intermediate = _resized(self.length, self.longest, REFERENCE_SIDE)
            content = _resized(intermediate, self.graph.constant(np.int64(REFERENCE_SIDE)), square)
        canvas = _padded_side(content, square, pyramid, layout)
        cells = canvas // layout.stride if layout.window is None else _windows(canvas, layout)
        valid = cells if pyramid.padding == "paper" else _valid_cells(content, cells, layout)
        return ScaleAxis(self, intermediate, content, canvas, valid, layout)


@dataclass(frozen=True)
class ScaleAxis:
    """One axis of an image at one scale; the attributes but the first and last are int64 scalars.

    Attributes:
        image: this axis of the original image.
        intermediate: length to which the image is resized first; None to resize it directly.
        content: length of the resized image.
        canvas: length of the canvas.
        valid: number of valid cells.
        layout: the backbone's layout of cells.
    """

    image: ImageAxis
    intermediate: Value | None
    content: Value
    canvas: Value
    valid: Value
    layout: CellLayout

    @property
    def lengths(self) -> tuple[Value, ...]:
        """The lengths to which the image is resized, one after the other."""
        return (self.content,) if self.intermediate is None else (self.intermediate, self.content)

    def sampling_weights(self) -> Value:
        """Return the (lattice, valid) float32 weights of `freeloc.geometry.grid.Grid.sampling_weights`."""
        on_canvas = _fractions(self.image.lattice, self.content)
        positions = (on_canvas - self.layout.offset) / float(self.layout.stride)
        return hat_weights(positions, self.valid)

    def to_image(self, cells: Value) -> Value:
        """Return float64 image coordinates of the centers of cells; see `freeloc.geometry.grid.Grid`."""
        length = self.image.length.cast(np.float64)
        on_canvas = cells.cast(np.float64) * float(self.layout.stride) + self.layout.offset
        return (on_canvas * (length / self.content.cast(np.float64))).or_smaller(length)


def _resized(length: Value, longest: Value, target: int) -> Value:
    """Return a length after the image is resized so that its longest side has ``target`` pixels."""
    return rounded_share(length, longest, Fraction(target), _resized_in_python).or_larger(1)


def _resized_in_python(lengths: Float64Array, longest: Float64Array, target: Fraction) -> Float64Array:
    """Return the sides of `freeloc.geometry.pyramid.Pyramid.grid` before they are rounded."""
    return lengths * (float(target) / longest)


def _lattice_in_python(lengths: Float64Array, longest: Float64Array, _positions: Fraction) -> Float64Array:
    """Return the sides of `freeloc.geometry.lattice.Lattice.with_spacing` before they are rounded."""
    return lengths / (LATTICE_STEP * longest / REFERENCE_SIDE)


def _fractions(count: Value, length: Value) -> Value:
    """Return the centers of ``count`` equal parts of a length, a float64 vector."""
    doubled = (count.graph.arange(count) * 2 + 1) * length
    return doubled.cast(np.float64) / (count * 2).cast(np.float64)


def hat_weights(positions: Value, count: Value) -> Value:
    """Return the weights of `freeloc.geometry.interpolation.linear_weights`.

    Args:
        positions: (N,) float64 positions at which to interpolate between 0, 1, …, ``count`` − 1.
        count: number of samples, an int64 scalar.

    Returns:
        (N, count) float32.
    """
    # Beyond the outermost samples, maps are constant. They must stay so exactly, because of equal maxima, the one
    # nearest the center of the image is the point.
    clipped = positions.or_larger(0).or_smaller((count - 1).cast(np.float64))
    samples = positions.graph.arange(count).cast(np.float64)
    return (1 - (clipped.with_axes(1) - samples).map("Abs")).or_larger(0).cast(np.float32)


def _padded_side(content: Value, square: int, pyramid: Pyramid, layout: CellLayout) -> Value:
    """Return `freeloc.geometry.grid.CellLayout.padded_side`."""
    if pyramid.padding != "stride":
        return content.graph.constant(np.int64(layout.padded_side(square, square, pyramid.padding)))
    if layout.window is None:
        return (content + (layout.stride - 1)) // layout.stride * layout.stride
    last_in_square = max(0, (square - layout.window) // layout.stride)
    last_on_content = (_centers_before(content, layout) - 1).or_larger(0)
    return last_on_content.or_smaller(last_in_square) * layout.stride + layout.window


def _windows(canvas: Value, layout: CellLayout) -> Value:
    """Return the number of cells of a backbone without internal padding."""
    return (canvas - (layout.window or 0)) // layout.stride + 1


def _valid_cells(content: Value, cells: Value, layout: CellLayout) -> Value:
    """Return `freeloc.geometry.grid.CellLayout.valid_cells`."""
    return cells.or_smaller(_centers_before(content, layout)).or_larger(1)


def _centers_before(content: Value, layout: CellLayout) -> Value:
    """Return how many cells have their centers on the image."""
    return ((content.cast(np.float32) - layout.offset) / float(layout.stride)).map("Ceil").cast(np.int64)

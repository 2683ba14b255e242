"""Conversion between image, canvas and cell coordinates.

Only this module converts between these three kinds of coordinates:

* **image**: position in pixels of the original image after its EXIF orientation is applied. x points to the right
  and y down; the center of the top-left pixel is at (0.5, 0.5). All public results use image coordinates; boxes
  are ``x1, y1, x2, y2``.
* **canvas**: position in pixels of the canvas, which contains the resized image, padded on the right and at the
  bottom. The longest side of the resized image is ``500 · scale`` pixels (paper, section 4).
* **cell**: (row, column) of a feature map or score map. The center of cell (i, j) is at canvas position
  ``offset + stride · (j, i)``.

A `Grid` relates all three kinds for one image at one scale, and is passed along with the corresponding arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from freeloc._literals import Padding
from freeloc._typing import Float32Array, Float64Array
from freeloc.geometry.interpolation import linear_weights
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size

__all__ = ["CellLayout", "Grid"]


@dataclass(frozen=True, slots=True)
class CellLayout:
    """How the cells of a backbone are arranged on a canvas; the same along both axes.

    Attributes:
        stride: distance between the centers of adjacent cells, in canvas pixels.
        offset: distance of the center of cell (0, 0) from the left and top edges of the canvas, in canvas pixels.
        window: for backbones without internal padding, the side of the square window from which one cell is
            computed (224 in the paper's network for VOC); only windows that lie entirely on the canvas have cells.
            None for backbones with internal padding, which have ``canvas / stride`` cells.
    """

    stride: int
    offset: float
    window: int | None = None

    def cells(self, canvas_side: int) -> int:
        """Return the number of cells along a side of the canvas that is ``canvas_side`` pixels long."""
        if self.window is None:
            return canvas_side // self.stride
        return max(0, (canvas_side - self.window) // self.stride + 1)

    def padded_side(self, content: int, square: int, padding: Padding) -> int:
        """Return the length of the canvas along one axis, in pixels.

        Args:
            content: length of the resized image along this axis, in pixels.
            square: length of the resized image along its longer axis, in pixels: the side of the paper's square.
            padding: "stride" for a canvas with only the cells that cover the image, "square" or "paper" for the
                whole square.
        """
        if self.window is None:
            length = content if padding == "stride" else square
            return math.ceil(length / self.stride) * self.stride
        if padding != "stride":
            return max(square, self.window)
        last_in_square = max(0, (square - self.window) // self.stride)
        last_on_content = max(0, math.ceil((content - self.offset) / self.stride) - 1)
        return self.stride * min(last_in_square, last_on_content) + self.window

    def valid_cells(self, content: int, canvas_side: int) -> int:
        """Return the number of leading cells whose centers lie on the image, but at least one.

        If the image is so narrow that no center lies on it, the first cell, which is the nearest, is valid.
        """
        on_content = math.ceil((content - self.offset) / self.stride)
        return max(1, min(self.cells(canvas_side), on_content))


@dataclass(frozen=True)
class Grid:
    """Coordinate mapping for one image at one scale.

    Attributes:
        image_size: size of the upright original image.
        scale: scale of the resized image; at scale 1, its longest side is 500 pixels.
        content: size of the resized image, which lies at the top left of the canvas.
        canvas: size of the canvas, including the padding.
        layout: the backbone's layout of cells.
        intermediate: size to which the image is resized before it is resized to ``content``; None to resize it
            directly.
        pools_padding: whether the cells of the padding are valid, too, as in the paper.
    """

    image_size: Size
    scale: float
    content: Size
    canvas: Size
    layout: CellLayout
    intermediate: Size | None = None
    pools_padding: bool = False

    @cached_property
    def rows(self) -> int:
        """Number of rows in a map of the whole canvas, including the padding."""
        return self.layout.cells(self.canvas.height)

    @cached_property
    def cols(self) -> int:
        """Number of columns in a map of the whole canvas, including the padding."""
        return self.layout.cells(self.canvas.width)

    @cached_property
    def valid_rows(self) -> int:
        """Number of leading rows whose centers lie on the image, or of all rows if the padding is pooled, too.

        Pooling ignores the other rows.
        """
        if self.pools_padding:
            return self.rows
        return self.layout.valid_cells(self.content.height, self.canvas.height)

    @cached_property
    def valid_cols(self) -> int:
        """Number of leading columns whose centers lie on the image, or of all columns; see `valid_rows`."""
        if self.pools_padding:
            return self.cols
        return self.layout.valid_cells(self.content.width, self.canvas.width)

    def subdivided(self, count: int) -> Grid:
        """Return the grid of a feature map with ``count`` positions per cell along each axis.

        The map comes from an earlier stage of the same network. Every stage shifts the center of what its
        positions see by the same fraction of its stride, so the offset is divided like the stride.
        """
        if count == 1:
            return self
        layout = CellLayout(self.layout.stride // count, self.layout.offset / count, self.layout.window)
        return replace(self, layout=layout)

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of a cell (one stride) in image pixels."""
        ratio_x, ratio_y = self._image_pixels_per_canvas_pixel
        return self.layout.stride * ratio_x, self.layout.stride * ratio_y

    @property
    def _image_pixels_per_canvas_pixel(self) -> tuple[float, float]:
        return self.image_size.width / self.content.width, self.image_size.height / self.content.height

    def to_image(self, cells: npt.ArrayLike) -> Float64Array:
        """Convert cell positions to image coordinates.

        Args:
            cells: (..., 2) rows and columns, which may be fractional.

        Returns:
            (..., 2) float64 x and y, clipped to the image.
        """
        cells = np.asarray(cells, dtype=np.float64)
        ratio_x, ratio_y = self._image_pixels_per_canvas_pixel
        x = (self.layout.offset + self.layout.stride * cells[..., 1]) * ratio_x
        y = (self.layout.offset + self.layout.stride * cells[..., 0]) * ratio_y
        return np.stack(
            (np.clip(x, 0, self.image_size.width), np.clip(y, 0, self.image_size.height)), axis=-1
        )

    def to_cells(self, points: npt.ArrayLike) -> Float64Array:
        """Convert image coordinates to cell positions.

        Args:
            points: (..., 2) x and y in image coordinates.

        Returns:
            (..., 2) float64 fractional rows and columns, clipped to the valid cells.
        """
        points = np.asarray(points, dtype=np.float64)
        ratio_x, ratio_y = self._image_pixels_per_canvas_pixel
        col = (points[..., 0] / ratio_x - self.layout.offset) / self.layout.stride
        row = (points[..., 1] / ratio_y - self.layout.offset) / self.layout.stride
        return np.stack(
            (np.clip(row, 0, self.valid_rows - 1), np.clip(col, 0, self.valid_cols - 1)),
            axis=-1,
        )

    def box_sides_on_canvas(self, boxes: npt.ArrayLike) -> Float64Array:
        """Return the size of each box on this canvas.

        Args:
            boxes: (N, 4) edges ``x1, y1, x2, y2``, in image pixels.

        Returns:
            (N,) float64 square roots of the boxes' areas on the canvas, in canvas pixels.
        """
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        sides = np.clip((corners[:, 2:] - corners[:, :2]) / self._image_pixels_per_canvas_pixel, 0, None)
        return np.sqrt(sides[:, 0] * sides[:, 1])

    def coverage(self, boxes: npt.ArrayLike) -> tuple[Float32Array, Float32Array]:
        """Return the fraction of each box that lies in each row and in each column of valid cells.

        A cell extends half a stride to each side of its center. Parts of a box outside all cells are ignored, and
        a box narrower than a cell is widened around its center to the width of one cell.

        Args:
            boxes: (N, 4) edges ``x1, y1, x2, y2``, in image pixels.

        Returns:
            (N, valid_rows) and (N, valid_cols) float32 fractions; the fractions of each box sum to one in both
            arrays. The outer product of a box's two vectors gives the fraction of the box in each cell.
        """
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        ratio_x, ratio_y = self._image_pixels_per_canvas_pixel
        layout = self.layout
        # Measure in strides from the edge of the first cell, so that cell j extends from j to j + 1.
        xs = (corners[:, 0::2] / ratio_x - layout.offset) / layout.stride + 0.5
        ys = (corners[:, 1::2] / ratio_y - layout.offset) / layout.stride + 0.5
        return _interval_coverage(ys, self.valid_rows), _interval_coverage(xs, self.valid_cols)

    def sampling_weights(self, lattice: Lattice) -> tuple[Float32Array, Float32Array]:
        """Return the bilinear weights that resample a map of the valid cells onto a lattice over the image.

        The lattice and the cells are both axis-aligned, so resampling is a product of small matrices:
        ``weights_y @ map @ weights_x.T``. Beyond the outermost cell centers, values are constant.

        Returns:
            (lattice.rows, valid_rows) and (lattice.cols, valid_cols) float32 weights; each row sums to one.
        """
        ratio_x, ratio_y = self._image_pixels_per_canvas_pixel
        layout = self.layout
        row_positions = (lattice.ys / ratio_y - layout.offset) / layout.stride
        col_positions = (lattice.xs / ratio_x - layout.offset) / layout.stride
        return (
            linear_weights(row_positions, self.valid_rows),
            linear_weights(col_positions, self.valid_cols),
        )

    def sampling_field(self, lattice: Lattice) -> Float32Array:
        """Return the sampling positions that correspond to `sampling_weights`.

        They form the ``grid`` argument of ``torch.nn.functional.grid_sample`` with ``align_corners=True``.

        Returns:
            (lattice.rows, lattice.cols, 2) float32: for every position of the lattice, x and y on the map of the
            whole canvas (``rows`` × ``cols``), from −1 at the first cell's center to +1 at the last cell's center.
        """
        x, y = np.meshgrid(lattice.xs, lattice.ys)
        cells = self.to_cells(np.stack((x, y), axis=-1))
        last = np.maximum(np.array([self.rows, self.cols]) - 1, 1)
        return np.ascontiguousarray((2 * cells / last - 1)[..., ::-1], dtype=np.float32)

    def crop_to_valid(self, values: Float32Array) -> Float32Array:
        """Crop a (…, rows, cols) map of the whole canvas to its valid cells, (…, valid_rows, valid_cols)."""
        return values[..., : self.valid_rows, : self.valid_cols]

    def cell_weights(self, lattice: Lattice) -> tuple[Float32Array, Float32Array]:
        """Return the bilinear weights that resample a map on a lattice at the centers of the valid cells.

        Returns:
            (valid_rows, lattice.rows) and (valid_cols, lattice.cols) float32 weights, whose rows sum to one; the
            resampled map is ``weights_y @ map @ weights_x.T``.
        """
        size = self.image_size
        ys = self.to_image(np.stack([np.arange(self.valid_rows), np.zeros(self.valid_rows)], axis=-1))[:, 1]
        xs = self.to_image(np.stack([np.zeros(self.valid_cols), np.arange(self.valid_cols)], axis=-1))[:, 0]
        return (
            linear_weights(ys * (lattice.rows / size.height) - 0.5, lattice.rows),
            linear_weights(xs * (lattice.cols / size.width) - 0.5, lattice.cols),
        )

    def padding_mask(self) -> Float32Array:
        """Return a (rows, cols) float32 array that is 0 in valid cells and −∞ in all others."""
        mask = np.full((self.rows, self.cols), -np.inf, np.float32)
        mask[: self.valid_rows, : self.valid_cols] = 0
        return mask


def _interval_coverage(intervals: Float64Array, count: int) -> Float32Array:
    """Return the (N, count) fractions of the (N, 2) intervals that lie between j and j + 1, for j < ``count``."""
    intervals = np.clip(intervals, 0, count)
    half = np.maximum(intervals[:, 1] - intervals[:, 0], 1) / 2
    center = np.clip(intervals.mean(axis=1), half, count - half)
    low, high = (center - half)[:, None], (center + half)[:, None]
    cell = np.arange(count)
    overlap = np.clip(np.minimum(high, cell + 1) - np.maximum(low, cell), 0, None)
    fractions: Float32Array = (overlap / (high - low)).astype(np.float32)
    return fractions

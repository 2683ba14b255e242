"""Where things are: image pixels, scaled canvases, map cells, and the ways between them.

This is the only room that turns one kind of coordinate into another. Three frames are in use:

* **image**: pixels of the upright original image, x to the right, y down, the centre of the
  top-left pixel at (0.5, 0.5). Every public result is in this frame; boxes are ``x1, y1, x2, y2``.
* **canvas**: the image resized so that its longest side is ``500 · scale`` pixels (paper, section 4),
  padded at the right and at the bottom.
* **cell**: (row, column) of a feature or score map. Cell (i, j) is centred at canvas position
  ``offset + stride · (j, i)``.

A `Grid` ties the three together for one image at one scale and rides along with the arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.geometry.interpolation import linear_weights
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size

__all__ = ["CellLayout", "Grid", "Padding"]


Padding = Literal["stride", "square"]
"""How a canvas is padded: to the backbone's stride (same windows, less work) or to the paper's square."""


@dataclass(frozen=True, slots=True)
class CellLayout:
    """How a backbone lays its cells over a canvas; the same along both axes.

    Attributes:
        stride: distance between neighbouring cell centres, in canvas pixels.
        offset: canvas position of the centre of cell (0, 0), in pixels from the left and from the top.
        window: side of the square window one cell looks at, for backbones without inner padding (the paper's
            network: 224), whose maps hold only windows that lie wholly on the canvas. None for backbones that
            pad inside and give ``canvas / stride`` cells.
    """

    stride: int
    offset: float
    window: int | None = None

    def cells(self, canvas_side: int) -> int:
        """Number of cells along a canvas side of ``canvas_side`` pixels."""
        if self.window is None:
            return canvas_side // self.stride
        return max(0, (canvas_side - self.window) // self.stride + 1)

    def padded_side(self, content: int, square: int, padding: Padding) -> int:
        """Canvas pixels along one axis.

        Args:
            content: pixels along this axis that show the image.
            square: pixels along the image's longest axis: the side of the paper's square.
            padding: "stride" keeps just the cells that look at the image, "square" the whole square.
        """
        if self.window is None:
            reach = square if padding == "square" else content
            return math.ceil(reach / self.stride) * self.stride
        last_in_square = max(0, (square - self.window) // self.stride)
        if padding == "square":
            return max(square, self.window)
        last_on_content = max(0, math.ceil((content - self.offset) / self.stride) - 1)
        return self.stride * min(last_in_square, last_on_content) + self.window

    def valid_cells(self, content: int, canvas_side: int) -> int:
        """Number of leading cells whose centre lies on the image; never less than one.

        A strip thinner than the first centre would have none; it keeps its first cell, the nearest.
        """
        on_content = math.ceil((content - self.offset) / self.stride)
        return max(1, min(self.cells(canvas_side), on_content))


@dataclass(frozen=True)
class Grid:
    """The parcel label of one image at one scale: its canvas, its cells, and the way back.

    Attributes:
        image: size of the upright original image.
        scale: 1.0 means the longest side is 500 pixels.
        content: size of the resized image, at the canvas's top left.
        canvas: size with padding.
        layout: how the backbone lays its cells.
    """

    image_size: Size
    scale: float
    content: Size
    canvas: Size
    layout: CellLayout

    @cached_property
    def rows(self) -> int:
        """Rows of the map the backbone gives for the whole canvas, padding included."""
        return self.layout.cells(self.canvas.height)

    @cached_property
    def cols(self) -> int:
        """Columns of the map the backbone gives for the whole canvas, padding included."""
        return self.layout.cells(self.canvas.width)

    @cached_property
    def valid_rows(self) -> int:
        """Leading rows whose centres lie on the image. Only these take part in pooling."""
        return self.layout.valid_cells(self.content.height, self.canvas.height)

    @cached_property
    def valid_cols(self) -> int:
        """Leading columns whose centres lie on the image. Only these take part in pooling."""
        return self.layout.valid_cells(self.content.width, self.canvas.width)

    @property
    def _pixels_per_canvas_pixel(self) -> tuple[float, float]:
        return self.image_size.width / self.content.width, self.image_size.height / self.content.height

    def to_image(self, cells: npt.ArrayLike) -> Float64Array:
        """Centres of cells in the image.

        Args:
            cells: (..., 2) rows and columns; fractions are allowed.

        Returns:
            (..., 2) float64 x and y, in image pixels, clipped to the image.
        """
        cells = np.asarray(cells, dtype=np.float64)
        ratio_x, ratio_y = self._pixels_per_canvas_pixel
        x = (self.layout.offset + self.layout.stride * cells[..., 1]) * ratio_x
        y = (self.layout.offset + self.layout.stride * cells[..., 0]) * ratio_y
        return np.stack(
            (np.clip(x, 0, self.image_size.width), np.clip(y, 0, self.image_size.height)), axis=-1
        )

    def to_cells(self, points: npt.ArrayLike) -> Float64Array:
        """Fractional cell positions of points of the image, held within the valid cells.

        Args:
            points: (..., 2) x and y in image pixels.

        Returns:
            (..., 2) float64 row and column, each between 0 and the last valid row or column.
        """
        points = np.asarray(points, dtype=np.float64)
        ratio_x, ratio_y = self._pixels_per_canvas_pixel
        col = (points[..., 0] / ratio_x - self.layout.offset) / self.layout.stride
        row = (points[..., 1] / ratio_y - self.layout.offset) / self.layout.stride
        return np.stack(
            (np.clip(row, 0, self.valid_rows - 1), np.clip(col, 0, self.valid_cols - 1)),
            axis=-1,
        )

    def box_sides_on_canvas(self, boxes: npt.ArrayLike) -> Float64Array:
        """How large boxes of the image come out on this canvas.

        Args:
            boxes: (N, 4) ``x1, y1, x2, y2``, edges in image pixels.

        Returns:
            (N,) float64 side of the square of each box's area, in canvas pixels.
        """
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        sides = np.clip((corners[:, 2:] - corners[:, :2]) / self._pixels_per_canvas_pixel, 0, None)
        return np.sqrt(sides[:, 0] * sides[:, 1])

    def shares(self, boxes: npt.ArrayLike) -> tuple[Float32Array, Float32Array]:
        """How much of a box lies on each row and on each column of valid cells.

        A cell's ground reaches half a stride to each side of its centre. Of a box that reaches beyond the ground
        of all cells only the rest counts; what is narrower than a cell is widened to one, around its middle.

        Args:
            boxes: (N, 4) ``x1, y1, x2, y2``, edges in image pixels.

        Returns:
            (N, valid_rows) and (N, valid_cols) float32 shares; each row of either sums to one, and their outer
            product is the share of every cell.
        """
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        ratio_x, ratio_y = self._pixels_per_canvas_pixel
        layout = self.layout
        # In strides from the edge of the first cell's ground: cell j reaches from j to j + 1.
        xs = (corners[:, 0::2] / ratio_x - layout.offset) / layout.stride + 0.5
        ys = (corners[:, 1::2] / ratio_y - layout.offset) / layout.stride + 0.5
        return _shares(ys, self.valid_rows), _shares(xs, self.valid_cols)

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of one cell's stride, in image pixels."""
        ratio_x, ratio_y = self._pixels_per_canvas_pixel
        return self.layout.stride * ratio_x, self.layout.stride * ratio_y

    def sampling(self, lattice: Lattice) -> tuple[Float32Array, Float32Array]:
        """Bilinear weights that bring this grid's map onto a lattice of the same image.

        The lattice and the cells are both axis-aligned, so bilinear sampling is two small matrix products:
        ``rows @ map @ cols.T``. Only valid cells are read; beyond the outermost centres the nearest is held.

        Returns:
            (lattice.rows, valid_rows) and (lattice.cols, valid_cols) float32 weights; each row sums to one.
        """
        ratio_x, ratio_y = self._pixels_per_canvas_pixel
        layout = self.layout
        row_positions = (lattice.ys / ratio_y - layout.offset) / layout.stride
        col_positions = (lattice.xs / ratio_x - layout.offset) / layout.stride
        return (
            linear_weights(row_positions, self.valid_rows),
            linear_weights(col_positions, self.valid_cols),
        )

    def sampling_field(self, lattice: Lattice) -> Float32Array:
        """What `sampling` does as one array, for ``torch.nn.functional.grid_sample(align_corners=True)``.

        Returns:
            (lattice.rows, lattice.cols, 2) float32: for every place of the lattice, x and y on the map of the
            whole canvas (``rows`` × ``cols``), from −1 at the first cell's centre to +1 at the last's.
        """
        x, y = np.meshgrid(lattice.xs, lattice.ys)
        cells = self.to_cells(np.stack((x, y), axis=-1))
        last = np.maximum(np.array([self.rows, self.cols]) - 1, 1)
        return np.ascontiguousarray((2 * cells / last - 1)[..., ::-1], dtype=np.float32)

    def valid_part(self, values: Float32Array) -> Float32Array:
        """(…, rows, cols) of the whole canvas → (…, valid_rows, valid_cols), the cells on the image."""
        return values[..., : self.valid_rows, : self.valid_cols]

    def padding_mask(self) -> Float32Array:
        """(rows, cols) float32: 0 where a cell's centre lies on the image, −∞ on padding."""
        mask = np.full((self.rows, self.cols), -np.inf, np.float32)
        mask[: self.valid_rows, : self.valid_cols] = 0
        return mask


def _shares(ends: Float64Array, count: int) -> Float32Array:
    """(N, count) share of each of N intervals, (N, 2) from and to, that lies between j and j + 1."""
    ends = np.clip(ends, 0, count)
    half = np.maximum(ends[:, 1] - ends[:, 0], 1) / 2
    middle = np.clip(ends.mean(axis=1), half, count - half)
    low, high = (middle - half)[:, None], (middle + half)[:, None]
    cell = np.arange(count)
    shared = np.clip(np.minimum(high, cell + 1) - np.maximum(low, cell), 0, None)
    shares: Float32Array = (shared / (high - low)).astype(np.float32)
    return shares

"""The raster on which the score maps of all scales are aligned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.geometry.interpolation import linear_weights
from freeloc.geometry.size import Size, normalized_length

__all__ = ["Lattice"]


@dataclass(frozen=True)
class Lattice:
    """A regular raster over the whole image.

    Attributes:
        image_size: size of the upright original image.
        rows: number of rows; the center of row i is at y = ``(i + 0.5) · height / rows``.
        cols: number of columns; the center of column j is at x = ``(j + 0.5) · width / cols``.
    """

    image_size: Size
    rows: int
    cols: int

    @classmethod
    def with_spacing(cls, image_size: Size, spacing: float) -> Lattice:
        """Return the lattice whose rows and columns are about ``spacing`` pixels apart in the image at scale 1."""
        pixels = normalized_length(image_size, spacing)
        return cls(
            image_size, max(1, round(image_size.height / pixels)), max(1, round(image_size.width / pixels))
        )

    @cached_property
    def xs(self) -> Float64Array:
        """(cols,) x coordinates of the column centers."""
        return np.asarray(
            (np.arange(self.cols) + 0.5) * (self.image_size.width / self.cols), dtype=np.float64
        )

    @cached_property
    def ys(self) -> Float64Array:
        """(rows,) y coordinates of the row centers."""
        return np.asarray(
            (np.arange(self.rows) + 0.5) * (self.image_size.height / self.rows), dtype=np.float64
        )

    @cached_property
    def distance_to_center(self) -> Float64Array:
        """(rows, cols) distances of the raster positions from the center of the image, in image pixels."""
        distance: Float64Array = np.hypot(
            self.xs[None] - self.image_size.width / 2, self.ys[:, None] - self.image_size.height / 2
        )
        return distance

    def to_image(self, positions: npt.ArrayLike) -> Float64Array:
        """Convert raster positions to image coordinates.

        Args:
            positions: (..., 2) rows and columns, which may be fractional.

        Returns:
            (..., 2) float64 x and y.
        """
        positions = np.asarray(positions, dtype=np.float64)
        x = (positions[..., 1] + 0.5) * (self.image_size.width / self.cols)
        y = (positions[..., 0] + 0.5) * (self.image_size.height / self.rows)
        return np.stack((x, y), axis=-1)

    def nearest(self, x: float, y: float) -> tuple[int, int]:
        """Return the row and column of the raster position nearest to image coordinates."""
        row = int(np.clip(np.floor(y / self.image_size.height * self.rows), 0, self.rows - 1))
        col = int(np.clip(np.floor(x / self.image_size.width * self.cols), 0, self.cols - 1))
        return row, col

    def upsampling_weights(self) -> tuple[Float32Array, Float32Array]:
        """Return the bilinear weights that resize a map on this lattice to one value per pixel of the image.

        Returns:
            (height, rows) and (width, cols) float32 weights; the resized map is ``weights_y @ map @ weights_x.T``.
        """
        pixel_rows = (np.arange(self.image_size.height) + 0.5) * (self.rows / self.image_size.height) - 0.5
        pixel_cols = (np.arange(self.image_size.width) + 0.5) * (self.cols / self.image_size.width) - 0.5
        return linear_weights(pixel_rows, self.rows), linear_weights(pixel_cols, self.cols)

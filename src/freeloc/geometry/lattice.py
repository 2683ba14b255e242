"""The raster on which score maps of all scales are aligned."""

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
    """A regular raster over the whole image, on which the maps of all scales are aligned.

    Attributes:
        image: size of the upright original image.
        rows: raster rows; row i is centred at ``(i + 0.5) · height / rows``.
        cols: raster columns; column j is centred at ``(j + 0.5) · width / cols``.
    """

    image_size: Size
    rows: int
    cols: int

    @classmethod
    def over(cls, image_size: Size, step: float) -> Lattice:
        """A lattice with steps of about ``step`` pixels of the 500-normalised image."""
        pixels = normalized_length(image_size, step)
        return cls(
            image_size, max(1, round(image_size.height / pixels)), max(1, round(image_size.width / pixels))
        )

    @cached_property
    def xs(self) -> Float64Array:
        """(cols,) x of the column centres, in image pixels."""
        return np.asarray(
            (np.arange(self.cols) + 0.5) * (self.image_size.width / self.cols), dtype=np.float64
        )

    @cached_property
    def ys(self) -> Float64Array:
        """(rows,) y of the row centres, in image pixels."""
        return np.asarray(
            (np.arange(self.rows) + 0.5) * (self.image_size.height / self.rows), dtype=np.float64
        )

    @cached_property
    def from_middle(self) -> Float64Array:
        """(rows, cols) distance of each place from the image's middle, in image pixels."""
        away: Float64Array = np.hypot(
            self.xs[None] - self.image_size.width / 2, self.ys[:, None] - self.image_size.height / 2
        )
        return away

    def to_image(self, cells: npt.ArrayLike) -> Float64Array:
        """Image positions (..., 2) x, y of raster positions (..., 2) row, column; fractions allowed."""
        cells = np.asarray(cells, dtype=np.float64)
        x = (cells[..., 1] + 0.5) * (self.image_size.width / self.cols)
        y = (cells[..., 0] + 0.5) * (self.image_size.height / self.rows)
        return np.stack((x, y), axis=-1)

    def upsampling(self) -> tuple[Float32Array, Float32Array]:
        """Bilinear weights that rescale a map on this lattice to every pixel of the image.

        Returns:
            (height, rows) and (width, cols) float32: ``rows_weights @ map @ cols_weights.T``.
        """
        pixel_rows = (np.arange(self.image_size.height) + 0.5) * (self.rows / self.image_size.height) - 0.5
        pixel_cols = (np.arange(self.image_size.width) + 0.5) * (self.cols / self.image_size.width) - 0.5
        return linear_weights(pixel_rows, self.rows), linear_weights(pixel_cols, self.cols)

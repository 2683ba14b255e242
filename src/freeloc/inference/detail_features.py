"""Detail features of an image: the feature map of an earlier stage of the backbone, at one scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from freeloc._typing import Float16Array, Float32Array
from freeloc.geometry.grid import Grid

__all__ = ["DETAIL_SCALE", "DetailFeatures", "choose_detail"]

DETAIL_SCALE = 1.4
"""The scale at which boxes are drawn best with detail features; of a prediction's scales, the nearest is used."""

_MAX_POSITIONS = 4096
"""Maximum number of positions of the chosen features, because boxes are drawn with the affinities of all pairs. At
`DETAIL_SCALE`, stride 16 leads to at most 1,936 positions."""


@dataclass(frozen=True, eq=False)
class DetailFeatures:
    """Detail features of an image; see `freeloc.nn.backbones.base.Backbone.forward_with_detail`.

    Attributes:
        values: (C, rows, cols) float32 features, or float16 if normalized, at the positions whose centers lie on
            the image.
        grid: coordinate mapping between the image and the positions, which are the valid cells of this grid.
    """

    values: Float32Array | Float16Array
    grid: Grid

    @classmethod
    def of_canvas(cls, values: Float32Array, grid: Grid) -> DetailFeatures:
        """Crop the features of a whole canvas to the image.

        Args:
            values: (C, n · rows, n · cols) float32 features of the canvas.
            grid: coordinate mapping between the image and the cells of the canvas.
        """
        detail_grid = grid.subdivided(values.shape[1] // grid.rows)
        return cls(detail_grid.crop_to_valid(values), detail_grid)

    def normalized(self) -> DetailFeatures:
        """Return a float16 copy with values of unit length at every position, which takes little memory.

        The values are 0 where the features are, and where they are so large that their length is infinite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.sqrt(np.einsum("cij,cij->ij", self.values, self.values))
            unit = self.values / np.maximum(lengths, np.float32(1e-6))
        return DetailFeatures(np.nan_to_num(unit, posinf=0, neginf=0).astype(np.float16), self.grid)


def choose_detail(candidates: Iterable[DetailFeatures | None]) -> DetailFeatures | None:
    """Return the detail features at the scale nearest `DETAIL_SCALE`; None if there are none of a usable size.

    Args:
        candidates: the detail features of an image at each of its scales.
    """
    usable = [
        detail for detail in candidates if detail is not None and detail.values[0].size <= _MAX_POSITIONS
    ]
    if not usable:
        return None
    return min(usable, key=lambda detail: abs(np.log(detail.grid.scale / DETAIL_SCALE)))

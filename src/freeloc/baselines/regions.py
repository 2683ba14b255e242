"""Boxes as vectors, pooled from a photograph's feature map (He et al., SPP-net, in place of R-CNN's warped crops).

R-CNN runs its network once for each of some thousand boxes. Here the trunk has seen the photograph once at each
scale, and a box's vector is the mean of the map under it, at the scale at which the box is nearest in size to what
the network was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from freeloc.features import MapSource
from freeloc.geometry import Float32Array, Float64Array, Grid, Padding, Pyramid, Size
from freeloc.runtime import Precision, native_bfloat16
from freeloc.trunks.base import Trunk

__all__ = ["AROUND", "BOX", "PICTURE", "RegionFeatures", "RegionOptions", "RegionPart"]

RegionPart = Literal["box", "around", "picture"]
BOX: RegionPart = "box"
"""The box itself."""
AROUND: RegionPart = "around"
"""The box with its surroundings."""
PICTURE: RegionPart = "picture"
"""The whole photograph, at the box's scale."""


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """How a box becomes a vector.

    Attributes:
        scales: of the maps it is pooled from; 1.0 means the photograph's longest side is 500 pixels.
        side: a box is pooled at the scale at which its size is nearest to so many canvas pixels.
        parts: what is pooled for a box; its vector holds one part after the other.
        surroundings: sides of `AROUND`, as multiples of the box's.
        padding: how the canvases were padded.
    """

    scales: tuple[float, ...] = (0.7, 1.0, 1.4)
    side: float = 224
    parts: tuple[RegionPart, ...] = (BOX, AROUND)
    surroundings: float = 2.0
    padding: Padding = "stride"

    def __post_init__(self) -> None:
        if not self.scales or not self.parts or set(self.parts) - set(get_args(RegionPart)):
            raise ValueError("regions need a scale, and at least one of the parts box, around and picture")
        if self.side <= 0 or self.surroundings < 1:
            raise ValueError("regions need a side above 0, and surroundings that hold the box")


class RegionFeatures:
    """Vectors of boxes in N photographs.

    Args:
        trunk: whose features they are; its projection widens the cells before they are averaged, for it is not
            linear.
        features: maps of the photographs, at all scales of the options.
        sizes: the N sizes of the upright photographs.
        options: how boxes are pooled.
        precision: arithmetic of the projection.

    Raises:
        ValueError: the features are of another number of photographs, or lack a scale.
    """

    def __init__(
        self,
        trunk: Trunk,
        features: MapSource,
        sizes: Sequence[Size],
        options: RegionOptions | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.options = options or RegionOptions()
        if len(features) != len(sizes):
            raise ValueError(f"{len(sizes)} photographs need their features, not those of {len(features)}")
        if features.scales is not None and (missing := set(self.options.scales) - set(features.scales)):
            raise ValueError(f"there are no features at scale {min(missing):g}")
        self.sizes = tuple(sizes)
        self._layout = trunk.layout
        self._width = trunk.width
        self._features = features
        self._pyramid = Pyramid(self.options.scales, self.options.padding)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        low = precision != "float32" and native_bfloat16(self._device.type)
        self._kind = torch.bfloat16 if low else torch.float32
        self._projection = trunk.projection.to(self._device).eval()

    def __len__(self) -> int:
        """Number of photographs, N."""
        return len(self.sizes)

    @property
    def width(self) -> int:
        """Values in a vector, D."""
        return self._width * len(self.options.parts)

    def vectors(self, index: int, boxes: npt.ArrayLike) -> Float32Array:
        """Vectors of boxes of one photograph.

        Args:
            index: the photograph.
            boxes: (M, 4) ``x1, y1, x2, y2``, edges in photograph pixels.

        Returns:
            (M, D) float32. Each part has length one, so that every box and every part weighs the same.
        """
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        grids = self._pyramid.grids(self.sizes[index], self._layout)
        sides = np.stack([grid.canvas_sides(corners) for grid in grids])
        nearest = np.abs(np.log(np.maximum(sides, 1) / self.options.side)).argmin(axis=0)
        pooled = torch.zeros((len(corners), len(self.options.parts), self._width))
        for number in np.unique(nearest):
            rows = np.flatnonzero(nearest == number)
            cells = self._cells(index, grids[number].scale)
            for place, part in enumerate(self.options.parts):
                weights = _weights(grids[number], self._outlines(part, corners[rows], index))
                pooled[rows, place] = (weights.to(self._device) @ cells).cpu()
        vectors: Float32Array = functional.normalize(pooled, dim=2).flatten(1).numpy()
        return vectors

    def _cells(self, index: int, scale: float) -> Tensor:
        """(cells, width) float32 of the valid cells of one photograph, row by row, projected."""
        cells = np.array(self._features.map(index, scale), np.float32)
        kept = torch.from_numpy(cells.reshape(-1, cells.shape[-1])).to(self._device, self._kind)
        low = self._kind == torch.bfloat16
        with torch.inference_mode(), torch.autocast(self._device.type, self._kind, enabled=low):
            projected: Tensor = self._projection(kept)
        return projected.float()

    def _outlines(self, part: RegionPart, corners: Float64Array, index: int) -> Float64Array:
        """(M, 4) what is pooled of each box."""
        if part == BOX:
            return corners
        size = self.sizes[index]
        whole = np.array([0.0, 0.0, size.width, size.height])
        if part == PICTURE:
            return np.broadcast_to(whole, corners.shape)
        grown = (self.options.surroundings - 1) / 2 * (corners[:, 2:] - corners[:, :2])
        return np.concatenate(
            [np.maximum(corners[:, :2] - grown, 0), np.minimum(corners[:, 2:] + grown, whole[2:])], axis=1
        )


def _weights(grid: Grid, boxes: Float64Array) -> Tensor:
    """(M, valid cells) float32 share of every cell in each box."""
    rows, cols = grid.shares(boxes)
    return torch.from_numpy((rows[:, :, None] * cols[:, None, :]).reshape(len(boxes), -1))

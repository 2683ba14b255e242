"""Boxes as vectors, pooled from an image's feature map (He et al., SPP-net, in place of R-CNN's warped crops).

R-CNN runs its network once for each of some thousand boxes. Here the backbone has seen the image once at each
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

from freeloc._typing import Float32Array, Float64Array
from freeloc.features.arrays import FeatureMap
from freeloc.features.sources import FeatureSource
from freeloc.geometry.grid import Grid, Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Precision, torch_device

__all__ = ["AROUND", "BOX", "QUARTERS", "RegionFeatures", "RegionOptions", "RegionPart"]

RegionPart = Literal["box", "around", "quarters"]
BOX: RegionPart = "box"
"""The box itself."""
AROUND: RegionPart = "around"
"""The box with its surroundings, which tell a whole object from a part of one."""
QUARTERS: RegionPart = "quarters"
"""The four quarters of the box side by side, which tell how an object lies in it."""


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """How a box becomes a vector.

    Attributes:
        scales: of the maps it is pooled from; 1.0 means the image's longest side is 500 pixels.
        side: a box is pooled at the scale at which its size is nearest to so many canvas pixels.
        parts: what is pooled for a box; its vector holds one part after the other.
        surroundings: sides of `AROUND`, as multiples of the box's.
        padding: how the canvases were padded.
    """

    scales: tuple[float, ...] = (0.7, 1.0, 1.4)
    side: float = 224
    parts: tuple[RegionPart, ...] = (BOX, AROUND, QUARTERS)
    surroundings: float = 2.0
    padding: Padding = "stride"

    def __post_init__(self) -> None:
        if not self.scales or not self.parts or set(self.parts) - set(get_args(RegionPart)):
            raise ValueError("regions need a scale, and at least one of the parts box, around and quarters")
        if self.side <= 0 or self.surroundings < 1:
            raise ValueError("regions need a side above 0, and surroundings that hold the box")


class RegionFeatures:
    """Vectors of boxes in N images.

    Args:
        backbone: whose features they are; its projection widens the cells before they are averaged, for it is not
            linear.
        features: maps of the images, at all scales of the options.
        sizes: the N sizes of the upright images.
        options: how boxes are pooled.
        precision: arithmetic of the projection.

    Raises:
        ValueError: the features are of another number of images, or lack a scale.
    """

    def __init__(
        self,
        backbone: Backbone,
        features: FeatureSource[FeatureMap],
        sizes: Sequence[Size],
        options: RegionOptions | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.options = options or RegionOptions()
        if len(features) != len(sizes):
            raise ValueError(f"{len(sizes)} images need their features, not those of {len(features)}")
        if features.scales is not None and (missing := set(self.options.scales) - set(features.scales)):
            raise ValueError(f"there are no features at scale {min(missing):g}")
        self.sizes = tuple(sizes)
        self._layout = backbone.layout
        self._width = backbone.width
        self._features = features
        self._pyramid = Pyramid(self.options.scales, self.options.padding)
        self._device, low = torch_device(precision)
        self._kind = torch.bfloat16 if low else torch.float32
        self._projection = backbone.projection.to(self._device).eval()

    def __len__(self) -> int:
        """Number of images, N."""
        return len(self.sizes)

    @property
    def width(self) -> int:
        """Values in a vector, D."""
        return self._width * sum(4 if part == QUARTERS else 1 for part in self.options.parts)

    def vectors(self, index: int, boxes: npt.ArrayLike) -> Float32Array:
        """Vectors of boxes of one image.

        Args:
            index: the image.
            boxes: (M, 4) ``x1, y1, x2, y2``, edges in image pixels.

        Returns:
            (M, D) float32. Each part has length one, so that every box and every part weighs the same; each of the
            quarters has half of that.
        """
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        grids = self._pyramid.grids(self.sizes[index], self._layout)
        sides = np.stack([grid.box_sides_on_canvas(corners) for grid in grids])
        nearest = np.abs(np.log(np.maximum(sides, 1) / self.options.side)).argmin(axis=0)
        vectors = np.empty((len(corners), self.width), np.float32)
        for number in np.unique(nearest):
            rows = np.flatnonzero(nearest == number)
            outlines, lengths = self._outlines(corners[rows], index)
            weights = _weights(grids[number], outlines.reshape(-1, 4)).to(self._device, self._kind)
            pooled = (weights @ self._cells(index, grids[number].scale)).float()
            pooled = functional.normalize(pooled).view(len(rows), len(lengths), self._width)
            pooled *= torch.tensor(lengths, device=self._device)[:, None]
            vectors[rows] = pooled.flatten(1).cpu().numpy()
        return vectors

    def _cells(self, index: int, scale: float) -> Tensor:
        """(cells, width) of the valid cells of one image, row by row, projected."""
        cells = np.array(self._features.get(index, scale), np.float32)
        kept = torch.from_numpy(cells.reshape(-1, cells.shape[-1])).to(self._device, self._kind)
        low = self._kind == torch.bfloat16
        with torch.inference_mode(), torch.autocast(self._device.type, self._kind, enabled=low):
            projected: Tensor = self._projection(kept)
        return projected.to(self._kind)

    def _outlines(self, corners: Float64Array, index: int) -> tuple[Float64Array, list[float]]:
        """(M, L, 4) all that is pooled of each box, and the L lengths of its vectors."""
        found: list[Float64Array] = []
        lengths: list[float] = []
        for part in self.options.parts:
            own = {BOX: _itself, AROUND: self._around, QUARTERS: _quarters}[part](corners, self.sizes[index])
            found += own
            lengths += [len(own) ** -0.5] * len(own)
        return np.stack(found, axis=1), lengths

    def _around(self, corners: Float64Array, size: Size) -> list[Float64Array]:
        grown = (self.options.surroundings - 1) / 2 * (corners[:, 2:] - corners[:, :2])
        low = np.maximum(corners[:, :2] - grown, 0)
        high = np.minimum(corners[:, 2:] + grown, [size.width, size.height])
        return [np.concatenate([low, high], axis=1)]


def _itself(corners: Float64Array, _size: Size) -> list[Float64Array]:
    return [corners]


def _quarters(corners: Float64Array, _size: Size) -> list[Float64Array]:
    """Upper left, upper right, lower left and lower right."""
    xs, ys = (
        np.stack([low, (low + high) / 2, high]) for low, high in (corners[:, 0::2].T, corners[:, 1::2].T)
    )
    return [np.stack([xs[j], ys[i], xs[j + 1], ys[i + 1]], axis=1) for i in (0, 1) for j in (0, 1)]


def _weights(grid: Grid, boxes: Float64Array) -> Tensor:
    """(M, valid cells) float32 share of every cell in each box."""
    rows, cols = grid.coverage(boxes)
    return torch.from_numpy((rows[:, :, None] * cols[:, None, :]).reshape(len(boxes), -1))

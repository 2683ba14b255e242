"""Feature vectors of boxes, pooled from feature maps as in SPP-net (He et al.), not computed from warped crops.

R-CNN runs its network on each of about a thousand boxes per image. Here, the backbone runs once per image and
scale, and the vector of a box is the mean of the feature map inside the box. The mean is taken at the scale at
which the box is closest in size to the network's training images.
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

from freeloc._literals import Padding
from freeloc._typing import Float32Array, Float64Array
from freeloc.features.arrays import FeatureMap
from freeloc.features.sources import FeatureSource
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Precision, torch_device

__all__ = ["RegionFeatures", "RegionOptions", "RegionPart"]

RegionPart = Literal["box", "around", "quarters"]
"""A part to pool: the box itself; the box with its surroundings, which help to distinguish a whole object from a
part; or the four quarters of the box, which capture the layout of the object."""


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """Options for pooling the features of boxes into vectors.

    Attributes:
        scales: scales of the feature maps; 1.0 means that the image's longest side is 500 pixels.
        side: target size in canvas pixels; each box is pooled at the scale at which its size is closest to the
            target.
        parts: the parts to pool; the vector is their concatenation.
        context: side lengths of the part "around", as a multiple of those of the box.
        padding: how the canvases were padded.
    """

    scales: tuple[float, ...] = (0.7, 1.0, 1.4)
    side: float = 224
    parts: tuple[RegionPart, ...] = ("box", "around", "quarters")
    context: float = 2.0
    padding: Padding = "stride"

    def __post_init__(self) -> None:
        if not self.scales or not self.parts or set(self.parts) - set(get_args(RegionPart)):
            raise ValueError(
                "region features require at least one scale and one part; the parts are box, around and quarters"
            )
        if self.side <= 0 or self.context < 1:
            raise ValueError("region features require a side above 0 and a context of at least 1")


class RegionFeatures:
    """Feature vectors of boxes in N images.

    Args:
        backbone: the backbone that computed the features. Its projection is applied to the cells before they are
            averaged, because the projection is not linear.
        features: feature maps of the images, at all scales of the options.
        sizes: sizes of the N images.
        options: pooling options; None for the defaults.
        precision: arithmetic of the projection.

    Raises:
        ValueError: the numbers of features and sizes differ, or a scale is missing.
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
            raise ValueError(f"there are {len(sizes)} image sizes, but features for {len(features)} images")
        if features.scales is not None and (missing := set(self.options.scales) - set(features.scales)):
            raise ValueError(f"there are no features at scale {min(missing):g}")
        self.sizes = tuple(sizes)
        self._layout = backbone.layout
        self._width = backbone.width
        self._features = features
        self._pyramid = Pyramid(self.options.scales, self.options.padding)
        self._device, bfloat16 = torch_device(precision)
        self._dtype = torch.bfloat16 if bfloat16 else torch.float32
        self._projection = backbone.projection.to(self._device).eval()

    def __len__(self) -> int:
        """Number of images, N."""
        return len(self.sizes)

    @property
    def width(self) -> int:
        """Length of a vector, D."""
        return self._width * sum(4 if part == "quarters" else 1 for part in self.options.parts)

    def vectors(self, index: int, boxes: npt.ArrayLike) -> Float32Array:
        """Pool a feature vector for each of several boxes in one image.

        Args:
            index: index of the image.
            boxes: (M, 4) box edges ``x1, y1, x2, y2`` in image coordinates.

        Returns:
            (M, D) float32. Each part is normalized to unit length, so that all parts and all boxes have equal
            weight; the four quarters together form one part, so each has length ½.
        """
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        grids = self._pyramid.grids(self.sizes[index], self._layout)
        sides = np.stack([grid.box_sides_on_canvas(corners) for grid in grids])
        nearest = np.abs(np.log(np.maximum(sides, 1) / self.options.side)).argmin(axis=0)
        vectors = np.empty((len(corners), self.width), np.float32)
        for number in np.unique(nearest):
            rows = np.flatnonzero(nearest == number)
            regions, lengths = self._regions(corners[rows], index)
            weights = _cell_weights(grids[number], regions.reshape(-1, 4)).to(self._device, self._dtype)
            pooled = (weights @ self._cells(index, grids[number].scale)).float()
            pooled = functional.normalize(pooled).view(len(rows), len(lengths), self._width)
            pooled *= torch.tensor(lengths, device=self._device)[:, None]
            vectors[rows] = pooled.flatten(1).cpu().numpy()
        return vectors

    def _cells(self, index: int, scale: float) -> Tensor:
        """Apply the projection to the valid cells of one image; return a (cells, width) tensor, row by row."""
        values = np.array(self._features.get(index, scale), np.float32)
        cells = torch.from_numpy(values.reshape(-1, values.shape[-1])).to(self._device, self._dtype)
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype == torch.bfloat16)
        with torch.inference_mode(), autocast:
            projected: Tensor = self._projection(cells)
        return projected.to(self._dtype)

    def _regions(self, corners: Float64Array, index: int) -> tuple[Float64Array, list[float]]:
        """Return the (M, L, 4) regions to pool for each box, and the lengths to which the L vectors are scaled."""
        regions: list[Float64Array] = []
        lengths: list[float] = []
        for part in self.options.parts:
            if part == "box":
                boxes = [corners]
            elif part == "around":
                boxes = [self._around(corners, self.sizes[index])]
            else:
                boxes = _quarters(corners)
            regions += boxes
            lengths += [len(boxes) ** -0.5] * len(boxes)
        return np.stack(regions, axis=1), lengths

    def _around(self, corners: Float64Array, size: Size) -> Float64Array:
        margin = (self.options.context - 1) / 2 * (corners[:, 2:] - corners[:, :2])
        low = np.maximum(corners[:, :2] - margin, 0)
        high = np.minimum(corners[:, 2:] + margin, [size.width, size.height])
        return np.concatenate([low, high], axis=1)


def _quarters(corners: Float64Array) -> list[Float64Array]:
    """Return the upper left, upper right, lower left and lower right quarters of boxes."""
    xs, ys = (
        np.stack([low, (low + high) / 2, high]) for low, high in (corners[:, 0::2].T, corners[:, 1::2].T)
    )
    return [np.stack([xs[j], ys[i], xs[j + 1], ys[i + 1]], axis=1) for i in (0, 1) for j in (0, 1)]


def _cell_weights(grid: Grid, boxes: Float64Array) -> Tensor:
    """Return the fraction of each box's area in each valid cell, as an (M, cells) float32 tensor."""
    rows, cols = grid.coverage(boxes)
    return torch.from_numpy((rows[:, :, None] * cols[:, None, :]).reshape(len(boxes), -1))

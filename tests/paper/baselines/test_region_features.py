"""Vectors of boxes, compared with cells looked up one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from freeloc._typing import Float64Array
from freeloc.features.arrays import FeatureMap
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.conv1x1 import Conv1x1
from freeloc.paper.baselines.region_features import RegionFeatures, RegionOptions, RegionPart

CHANNELS, WIDTH = 3, 5
SCALES = (0.35, 0.7)


class Tiny(Backbone):
    """A backbone with three values per cell, and five after a nonlinear projection."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "tiny"
        self.layout = CellLayout(16, 9.0)
        self.channels, self.width = CHANNELS, WIDTH
        self.normalization = Normalization((0.0,) * 3, (1.0,) * 3)
        self.body = nn.Identity()
        self.projection = Conv1x1(CHANNELS, WIDTH, ceiling=6.0)
        with torch.no_grad():
            weights = np.random.default_rng(0).normal(size=(WIDTH, CHANNELS))
            self.projection.weight.copy_(torch.from_numpy(weights))
        self.freeze()


@dataclass(frozen=True, eq=False)
class Maps:
    """Random maps of two images."""

    sizes: tuple[Size, ...]
    scales: tuple[float, ...] | None = SCALES
    threads: int = 1
    batch: int = 1

    def __len__(self) -> int:
        return len(self.sizes)

    def get(self, index: int, scale: float) -> FeatureMap:
        grid = grid_of(self.sizes[index], scale)
        shape = (grid.valid_rows, grid.valid_cols, CHANNELS)
        return np.random.default_rng([index, round(100 * scale)]).normal(size=shape).astype(np.float16)

    def get_many(self, indices: Sequence[int], scale: float) -> list[FeatureMap]:
        return [self.get(index, scale) for index in indices]


BACKBONE = Tiny()
MAPS = Maps((Size(600, 400), Size(300, 500)))


def grid_of(size: Size, scale: float) -> Grid:
    return Pyramid((scale,)).grid(size, scale, BACKBONE.layout)


def regions(**changes: Any) -> RegionFeatures:
    options = RegionOptions(**{"scales": SCALES, "side": 60, **changes})
    return RegionFeatures(BACKBONE, MAPS, MAPS.sizes, options, "float32")


def slow_mean(index: int, scale: float, box: Float64Array) -> Float64Array:
    """Compute the mean of the projected map in a box from the cells nearest to many positions in it."""
    grid = grid_of(MAPS.sizes[index], scale)
    x, y = (low + (high - low) * (np.arange(400) + 0.5) / 400 for low, high in (box[0::2], box[1::2]))
    with torch.no_grad():
        cells = BACKBONE.projection(torch.from_numpy(MAPS.get(index, scale).reshape(-1, CHANNELS)).float())
    values = cells.numpy().reshape(grid.valid_rows, grid.valid_cols, WIDTH)
    nearest = np.rint(grid.to_cells(np.stack([x, y], axis=-1)))
    # Positions further than half a cell from every center are in no cell.
    off = np.abs(grid.to_image(nearest) - np.stack([x, y], axis=-1)) > np.array(grid.cell_size) / 2
    rows, cols = (nearest[~off[:, axis], 1 - axis].astype(int) for axis in (1, 0))
    mean: Float64Array = values[rows][:, cols].mean(axis=(0, 1))
    return mean


def unit(vector: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = vector / np.linalg.norm(vector)
    return scaled


@settings(max_examples=25)
@given(st.integers(0, 1), hnp.arrays(np.float64, (2, 2), elements=st.floats(0.1, 0.9)))
def test_a_vector_is_the_mean_of_the_map_at_the_scale_that_suits_the_box(
    index: int, ends: np.ndarray
) -> None:
    size = MAPS.sizes[index]
    low, high = ends.min(axis=0), ends.max(axis=0) + 0.05
    box = np.concatenate([low, high]) * [size.width, size.height, size.width, size.height]
    if (box[2:] - box[:2]).min() * 500 * min(SCALES) < 17 * size.longest:
        return  # narrower than a cell, where a box is widened
    side = np.sqrt((box[2:] - box[:2]).prod()) * 500 / size.longest
    scale = min(SCALES, key=lambda one: abs(np.log(side * one / 60)))
    (found,) = regions(parts=("box",)).vectors(index, box[None])
    np.testing.assert_allclose(found, unit(slow_mean(index, scale, box)), atol=0.02)


def test_parts_follow_each_other_and_each_has_length_one() -> None:
    parts: tuple[RegionPart, ...] = ("quarters", "box", "around")
    boxes = np.array([[100, 100, 200, 180], [10, 0, 590, 390]])
    pooling = regions(parts=parts, context=1.5)
    found = pooling.vectors(0, boxes)
    assert found.dtype == np.float32
    assert found.shape == (2, 6 * WIDTH) == (2, pooling.width)
    rows = found.reshape(2, 6, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=2), [[0.5] * 4 + [1, 1]] * 2, rtol=1e-5)
    # The first is 89 pixels of 600, which are 74 of 500 and 52 at the larger scale. Its surroundings are half again
    # as wide and as high.
    outlines = [(100, 100, 150, 140), (150, 100, 200, 140), (100, 140, 150, 180), (150, 140, 200, 180)]
    outlines += [(100, 100, 200, 180), (75, 80, 225, 200)]
    for row, outline in zip(rows[0], outlines, strict=True):
        np.testing.assert_allclose(unit(row), unit(slow_mean(0, 0.7, np.array(outline))), atol=0.05)
    # The second's surroundings end with the image.
    around = unit(slow_mean(0, 0.35, np.array([0, 0, 600, 400])))
    np.testing.assert_allclose(rows[1, 5], around, atol=0.02)


def test_a_vector_does_not_depend_on_the_boxes_beside_it() -> None:
    boxes = np.random.default_rng(0).uniform(0, 300, (40, 2, 2))
    corners = np.concatenate([boxes.min(axis=1), boxes.max(axis=1)], axis=1)
    pooling = regions()
    together = pooling.vectors(1, corners)
    assert together.shape == (40, pooling.width) == (40, 6 * WIDTH)
    alone = np.concatenate([pooling.vectors(1, box) for box in corners])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert pooling.vectors(1, []).shape == (0, pooling.width)


def test_a_box_without_extent_still_has_a_vector() -> None:
    found = regions().vectors(0, [[300, 200, 300, 200]])
    np.testing.assert_allclose(np.linalg.norm(found.reshape(6, WIDTH), axis=1), [1, 1, *[0.5] * 4], rtol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="1 image sizes, but features for 2 images"):
        RegionFeatures(BACKBONE, MAPS, MAPS.sizes[:1])
    with pytest.raises(ValueError, match="no features at scale 1"):
        regions(scales=(0.7, 1.0))
    refused: list[dict[str, Any]] = [
        {"scales": ()},
        {"parts": ()},
        {"parts": ("box", "sky")},
        {"side": 0},
        {"context": 0.5},
    ]
    for wrong in refused:
        with pytest.raises(ValueError, match="region features require"):
            RegionOptions(**wrong)
    assert len(regions()) == 2

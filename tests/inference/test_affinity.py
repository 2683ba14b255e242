"""Detail features and maps spread over similar positions, compared with sums over all pairs of positions."""

from __future__ import annotations

import numpy as np
import pytest

from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.affinity import AffinitySpread
from freeloc.inference.detail_features import DetailFeatures, choose_detail

LAYOUT = CellLayout(32, offset=23.0)
SIZE = Size(500, 333)


def grid_of(scale: float, size: Size = SIZE) -> Grid:
    return Pyramid().grid(size, scale, LAYOUT)


def features(grid: Grid, channels: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(channels, 2 * grid.rows, 2 * grid.cols)).astype(np.float32)


def test_features_of_a_canvas_are_cropped_to_the_image() -> None:
    grid = grid_of(1.0)
    values = features(grid)
    detail = DetailFeatures.of_canvas(values, grid)
    assert detail.grid.layout == CellLayout(16, offset=11.5)
    rows, cols = detail.values.shape[1:]
    assert (rows, cols) == (detail.grid.valid_rows, detail.grid.valid_cols)
    np.testing.assert_array_equal(detail.values, values[:, :rows, :cols])
    unit = detail.normalized()
    assert unit.values.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(unit.values.astype(np.float64), axis=0), 1, atol=2e-3)
    dark = DetailFeatures(np.zeros((3, 2, 2), np.float32), detail.grid).normalized()
    assert not dark.values.any()


def test_the_scale_nearest_to_the_best_one_is_chosen() -> None:
    at = {
        scale: DetailFeatures.of_canvas(features(grid_of(scale)), grid_of(scale))
        for scale in (0.5, 1, 2, 2.8)
    }
    assert choose_detail(at.values()) is at[1]
    assert choose_detail([at[0.5], at[2]]) is at[2]
    assert choose_detail([None, at[0.5]]) is at[0.5]
    assert choose_detail([None]) is None
    assert choose_detail([]) is None
    # At scale 2.8, a square has 7,744 positions, so all pairs of them would take too much memory.
    square = grid_of(2.8, Size(500, 500))
    assert choose_detail([DetailFeatures.of_canvas(features(square), square)]) is None


@pytest.mark.parametrize("size", [SIZE, Size(40, 31), Size(900, 12)])
def test_spread_maps_are_means_weighted_by_affinity(size: Size) -> None:
    grid = grid_of(1.0, size)
    detail = DetailFeatures.of_canvas(features(grid), grid).normalized()
    lattice = Lattice.with_spacing(size, 8.0)
    rng = np.random.default_rng(1)
    maps = rng.random((2, lattice.rows, lattice.cols)).astype(np.float32)
    spread = AffinitySpread(detail, lattice)(maps)
    to_cells_y, to_cells_x = (weights.astype(np.float64) for weights in detail.grid.cell_weights(lattice))
    up_y, up_x = (weights.astype(np.float64) for weights in detail.grid.sampling_weights(lattice))
    unit = detail.values.astype(np.float64).reshape(3, -1)
    for before, after in zip(maps.astype(np.float64), spread, strict=True):
        at_cells = (to_cells_y @ before @ to_cells_x.T).ravel()
        weights = np.maximum(unit.T @ unit, 0) ** 8
        np.fill_diagonal(weights, 1)
        means = [float(row @ at_cells / row.sum()) for row in weights]
        expected = up_y @ np.reshape(means, detail.values.shape[1:]) @ up_x.T
        np.testing.assert_allclose(after, expected, atol=1e-4)


def test_a_map_spreads_over_an_object_but_not_beyond_it() -> None:
    grid = grid_of(1.4)
    values = np.zeros((2, 2 * grid.rows, 2 * grid.cols), np.float32)
    values[0], values[1] = 1, 0.2
    values[:, 10:20, 12:30] = np.array([0.1, 1], np.float32)[:, None, None]  # the object has other features
    detail = DetailFeatures.of_canvas(values, grid).normalized()
    lattice = Lattice.with_spacing(SIZE, 8.0)
    rows, cols = np.indices((lattice.rows, lattice.cols))
    spot = np.exp(-((rows - 18) ** 2 + (cols - 22) ** 2) / 8).astype(np.float32)  # one end of the object
    spread = AffinitySpread(detail, lattice)(spot[None])[0]
    x1, y1 = detail.grid.to_image([(10, 12)])[0]
    x2, y2 = detail.grid.to_image([(19, 29)])[0]
    inside = ((lattice.ys > y1) & (lattice.ys < y2))[:, None] & ((lattice.xs > x1) & (lattice.xs < x2))[None]
    assert spread[inside].min() > 0.9 * spread.max()
    border = 20
    outside = ~(
        ((lattice.ys > y1 - border) & (lattice.ys < y2 + border))[:, None]
        & ((lattice.xs > x1 - border) & (lattice.xs < x2 + border))[None]
    )
    assert spread[outside].max() < 0.1 * spread.max()


@pytest.mark.parametrize("value", [0, np.inf, np.nan, 3e38])
def test_a_position_without_usable_features_keeps_its_value(value: float) -> None:
    grid = grid_of(0.5)
    values = features(grid)
    values[:, 0, 0] = value
    detail = DetailFeatures.of_canvas(values, grid).normalized()
    assert not detail.values[:, 0, 0].any()
    lattice = Lattice.with_spacing(SIZE, 8.0)
    corner = np.zeros((1, lattice.rows, lattice.cols), np.float32)
    corner[:, :4, :4] = 0.7
    spread = AffinitySpread(detail, lattice)(corner)
    assert np.isfinite(spread).all()
    assert spread[0, 0, 0] == pytest.approx(0.7, abs=0.01)

"""Scores, points and fused maps, each compared with a slow computation cell by cell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from freeloc._literals import Padding
from freeloc._typing import Float64Array
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import localize, locate, pooled_scores
from freeloc.inference.result import LocationMode
from freeloc.inference.score_map import ScoreMap
from tests.inference.synthetic_maps import (
    CLASSES,
    LAYOUTS,
    PADDED,
    blob,
    cell_positions,
    fractions,
    law,
    random_maps,
    scale_sets,
    sizes,
)


def reach(grid: Grid, at: tuple[float, float]) -> tuple[float, float]:
    """Return the maximum distance of the nearest cell from a point: half a cell, or more beyond the outermost
    cells."""
    bounds = []
    for positions, place, pixels in zip(
        cell_positions(grid),
        at,
        (grid.image_size.width / grid.content.width, grid.image_size.height / grid.content.height),
        strict=True,
    ):
        outside = max(positions[0] - place, place - positions[-1])
        bounds.append(max(grid.layout.stride * pixels / 2, outside))
    return bounds[0], bounds[1]


def fused_reach(grids: Sequence[Grid], at: tuple[float, float], lattice: Lattice) -> Float64Array:
    """Return the maximum distance along x and y of the fused point from the blob's position.

    The map of each scale decreases on both sides of its nearest cell, so the maximum of the sum lies among these
    cells: no farther than that of the coarsest scale, apart from a step of the raster. If the image center lies
    beyond the outermost cells of every scale, the map is flat there and the point is the center.
    """
    bounds: Float64Array = np.max([reach(grid, at) for grid in grids], axis=0)
    middle = (lattice.image_size.width / 2, lattice.image_size.height / 2)
    for axis in (0, 1):
        positions = np.concatenate([cell_positions(grid)[axis] for grid in grids])
        if not positions.min() < middle[axis] < positions.max():
            bounds[axis] = max(bounds[axis], abs(middle[axis] - at[axis]))
    bounds += (lattice.image_size.width / lattice.cols, lattice.image_size.height / lattice.rows)
    return bounds


class TestAKnownPlaceComesBack:
    @law
    @given(
        sizes,
        st.floats(0.1, 4),
        st.sampled_from(LAYOUTS),
        st.sampled_from(("stride", "square")),
        fractions,
        fractions,
        st.sampled_from(("fused", "paper")),
    )
    def test_one_scale(
        self,
        size: Size,
        scale: float,
        layout: CellLayout,
        padding: Padding,
        u: float,
        v: float,
        mode: LocationMode,
    ) -> None:
        at = (u * size.width, v * size.height)
        grid = Pyramid((scale,), padding).grid(size, scale, layout)
        result = localize([blob(grid, at)], ("blob",), mode=mode)
        bounds = reach(grid, at) if mode == "paper" else fused_reach([grid], at, result.lattice)
        assert (np.abs(result.points[0] - at) <= np.array(bounds) + 1e-4 * size.longest).all()

    @law
    @given(sizes, scale_sets, st.sampled_from(LAYOUTS), fractions, fractions)
    def test_several_scales(
        self, size: Size, scales: tuple[float, ...], layout: CellLayout, u: float, v: float
    ) -> None:
        at = (u * size.width, v * size.height)
        grids = Pyramid(scales).grids(size, layout)
        maps = [blob(grid, at) for grid in grids]
        slack = 1e-4 * size.longest
        # Mode "paper" returns the nearest cell over all scales, which is no farther than that of the finest
        # scale.
        (found,) = localize(maps, ("blob",), mode="paper")
        finest = min(math.hypot(*reach(grid, at)) for grid in grids)
        assert math.hypot(found.x - at[0], found.y - at[1]) <= finest + slack
        result = localize(maps, ("blob",))
        assert (np.abs(result.points[0] - at) <= fused_reach(grids, at, result.lattice) + slack).all()

    def test_an_ordinary_image_is_located_within_a_few_pixels(self) -> None:
        size, at = Size(500, 375), (311.0, 142.0)
        maps = [blob(grid, at) for grid in Pyramid(TEST_SCALES).grids(size, PADDED)]
        bounds: dict[LocationMode, float] = {"paper": 32 / 2.8 / 2 * math.sqrt(2), "fused": 16.0}
        for mode, bound in bounds.items():
            (found,) = localize(maps, ("blob",), mode=mode)
            assert math.hypot(found.x - at[0], found.y - at[1]) <= bound


class TestScores:
    @law
    @given(sizes, scale_sets, st.integers(0, 999))
    def test_score_is_the_mean_over_scales_of_each_scales_maximum(
        self, size: Size, scales: tuple[float, ...], seed: int
    ) -> None:
        maps = random_maps(seed, size, scales, PADDED)
        result = localize(maps, CLASSES)
        for k, found in enumerate(result):
            best = [max(float(value) for value in part.values[k].ravel()) for part in maps]
            assert found.score == pytest.approx(math.fsum(best) / len(best), rel=1e-6, abs=1e-6)
            assert found.probability == pytest.approx(float(expit(found.score)), rel=1e-5)
        np.testing.assert_array_equal(localize(maps, CLASSES, mode="paper").scores, result.scores)

    @law
    @given(sizes, scale_sets, st.integers(0, 999))
    def test_average_pooling_takes_the_mean_of_each_scale(
        self, size: Size, scales: tuple[float, ...], seed: int
    ) -> None:
        maps = random_maps(seed, size, scales, PADDED)
        result = localize(maps, CLASSES, pooling="average")
        for k, score in enumerate(result.scores):
            means = [math.fsum(map(float, part.values[k].ravel())) / part.values[k].size for part in maps]
            assert score == pytest.approx(math.fsum(means) / len(means), rel=1e-5, abs=1e-5)
        # Pooling determines the score, not the position.
        np.testing.assert_array_equal(result.points, localize(maps, CLASSES).points)


class TestThePapersWay:
    @law
    @given(sizes, scale_sets, st.sampled_from(LAYOUTS), st.integers(0, 999))
    def test_equals_a_loop_over_all_scales_and_cells(
        self, size: Size, scales: tuple[float, ...], layout: CellLayout, seed: int
    ) -> None:
        maps = random_maps(seed, size, scales, layout)
        result = localize(maps, CLASSES, mode="paper")
        for k in range(len(CLASSES)):
            best, place = -math.inf, (math.nan, math.nan)
            for part in maps:
                x, y = cell_positions(part.grid)
                for i, j in np.ndindex(part.values.shape[1:]):
                    if part.values[k, i, j] > best:
                        best, place = float(part.values[k, i, j]), (float(x[j]), float(y[i]))
            assert result.responses[k] == np.float32(best)
            assert result.points[k] == pytest.approx(place)


def slow_fused(maps: list[ScoreMap], lattice: Lattice, combine: str) -> np.ndarray:
    """Compute raster values one by one: bilinear samples of every scale, then the mean sigmoid of half the score,
    or the maximum."""
    fused = np.empty((len(maps[0].values), lattice.rows, lattice.cols))
    for (k, r, c), _ in np.ndenumerate(fused):
        x = (c + 0.5) * lattice.image_size.width / lattice.cols
        y = (r + 0.5) * lattice.image_size.height / lattice.rows
        read = []
        for part in maps:
            grid = part.grid
            values = part.values[k].astype(np.float64)
            values = expit(values / 2) if combine == "mean" else values
            last_row, last_col = values.shape[0] - 1, values.shape[1] - 1
            col = (x * grid.content.width / grid.image_size.width - grid.layout.offset) / grid.layout.stride
            row = (y * grid.content.height / grid.image_size.height - grid.layout.offset) / grid.layout.stride
            col, row = min(max(col, 0), last_col), min(max(row, 0), last_row)
            j, i = int(col), int(row)
            right, down = min(j + 1, last_col), min(i + 1, last_row)
            a, b = row - i, col - j
            above = (1 - b) * values[i, j] + b * values[i, right]
            below = (1 - b) * values[down, j] + b * values[down, right]
            read.append((1 - a) * above + a * below)
        fused[k, r, c] = sum(read) / len(read) if combine == "mean" else max(read)
    return fused


class TestMaps:
    @settings(max_examples=15)
    @given(sizes, scale_sets, st.sampled_from(LAYOUTS), st.integers(0, 999))
    def test_fused_equals_a_pixel_by_pixel_computation(
        self, size: Size, scales: tuple[float, ...], layout: CellLayout, seed: int
    ) -> None:
        maps = random_maps(seed, size, scales, layout)
        result = localize(maps, CLASSES, step=60.0)
        wanted = slow_fused(maps, result.lattice, "mean")
        np.testing.assert_allclose(result.maps, wanted, atol=2e-6)
        for k, found in enumerate(result):
            assert found.response == pytest.approx(wanted[k].max(), abs=2e-6)
            col = found.x / size.width * result.lattice.cols - 0.5
            row = found.y / size.height * result.lattice.rows - 0.5
            assert wanted[k, round(row), round(col)] == pytest.approx(wanted[k].max(), abs=4e-6)
            assert (row, col) == pytest.approx((round(row), round(col)), abs=1e-6)

    @settings(max_examples=15)
    @given(sizes, scale_sets, st.integers(0, 999))
    def test_the_papers_way_keeps_the_highest_raw_score(
        self, size: Size, scales: tuple[float, ...], seed: int
    ) -> None:
        maps = random_maps(seed, size, scales, PADDED)
        result = localize(maps, CLASSES, mode="paper", step=60.0)
        np.testing.assert_allclose(result.maps, slow_fused(maps, result.lattice, "max"), atol=2e-5)

    def test_of_equal_places_the_one_nearest_the_middle_is_the_point(self) -> None:
        # A constant map, for example of scores at which the sigmoid saturates in float32.
        (grid,) = Pyramid((1.0,)).grids(Size(500, 400), PADDED)
        values = np.full((1, grid.valid_rows, grid.valid_cols), 40, np.float32)
        (found,) = localize([ScoreMap.of(values, grid)], ("blob",))
        assert (found.x, found.y) == pytest.approx((250, 200), abs=4.1)


@law
@given(
    st.integers(0, 99),
    sizes,
    scale_sets,
    st.sampled_from(["fused", "paper"]),
    st.sampled_from(["max", "lse"]),
)
def test_locating_equals_localizing_without_the_maps(
    seed: int, size: Size, scales: tuple[float, ...], mode: LocationMode, pooling: str
) -> None:
    maps = random_maps(seed, size, scales, PADDED)
    whole = localize(maps, CLASSES, mode=mode, pooling=pooling)
    points, responses = locate(maps, mode)
    np.testing.assert_array_equal(pooled_scores(maps, pooling), whole.scores)
    np.testing.assert_array_equal(points, whole.points)
    np.testing.assert_array_equal(responses, whole.responses)

"""Conversions between image, canvas and cells, checked against positions computed from the definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional

from freeloc._literals import Padding
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from tests.geometry.strategies import ALEXNET, PADDED, grids, law, layouts, scales, sizes

fractions = st.floats(0, 1)


def centers(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return x of the valid columns and y of the valid rows in the image, computed from the definitions.

    The image was stretched to the content, so a canvas position is multiplied by image / content.
    """
    layout = grid.layout
    x = [
        (layout.offset + layout.stride * j) * grid.image_size.width / grid.content.width
        for j in range(grid.valid_cols)
    ]
    y = [
        (layout.offset + layout.stride * i) * grid.image_size.height / grid.content.height
        for i in range(grid.valid_rows)
    ]
    return np.array(x), np.array(y)


def axes(grid: Grid) -> list[tuple[int, int, int, int]]:
    """(content, canvas, cells, valid cells) along x and along y."""
    return [
        (grid.content.width, grid.canvas.width, grid.cols, grid.valid_cols),
        (grid.content.height, grid.canvas.height, grid.rows, grid.valid_rows),
    ]


def cells_of_a_convolution(layout: CellLayout, side: int) -> int:
    """Return the number of cells that a real layer with the layout's stride and window computes."""
    kernel = layout.window or layout.stride
    if side < kernel:
        return 0
    return functional.avg_pool1d(torch.zeros(1, 1, side), kernel, layout.stride).shape[-1]


class TestKnownNumbers:
    @pytest.mark.parametrize(("side", "cells"), [(256, 2), (2048, 58), (1024, 26), (224, 1), (255, 1)])
    def test_the_papers_windows(self, side: int, cells: int) -> None:
        # Section 3: 256×256 pixels yield a 2×2 map, and 2048×1024 pixels a map of 58×26.
        assert ALEXNET.cells(side) == cells

    def test_nothing_fits_on_less_than_a_window(self) -> None:
        assert ALEXNET.cells(223) == 0

    def test_a_landscape_image_at_scale_one(self) -> None:
        grid = Pyramid((1.0,)).grid(Size(1000, 600), 1.0, PADDED)
        assert (grid.content, grid.canvas) == (Size(500, 300), Size(512, 320))
        assert (grid.rows, grid.cols) == (10, 16)
        # Centers at 31.5, 63.5, …: the last one on 300 pixels is 287.5, the last one on 500 is 479.5.
        assert (grid.valid_rows, grid.valid_cols) == (9, 15)
        np.testing.assert_allclose(grid.to_image([[0, 0], [8, 14]]), [[63, 63], [959, 575]])
        assert grid.cell_size == (64, 64)

    def test_the_square_of_the_paper(self) -> None:
        grid = Pyramid((1.0,), "square").grid(Size(500, 300), 1.0, ALEXNET)
        assert grid.canvas == Size(500, 500)
        assert (grid.rows, grid.cols) == (9, 9)
        # 112 + 32·i < 300 holds for i up to 5.
        assert (grid.valid_rows, grid.valid_cols) == (6, 9)

    @pytest.mark.parametrize(("padding", "cells"), [("stride", 63), ("square", 63), ("paper", 81)])
    def test_pooled_windows(self, padding: Padding, cells: int) -> None:
        # Nine windows of 224 pixels, 32 pixels apart, fit into 500 pixels. Of 335 pixels, the last center is the
        # seventh, at 112 + 32 · 6 = 304.
        grid = Pyramid((1.0,), padding).grid(Size(500, 335), 1.0, ALEXNET)
        assert grid.valid_rows * grid.valid_cols == cells
        assert np.isfinite(grid.padding_mask()).sum() == cells

    def test_points_on_pooled_padding_are_moved_to_the_edge_of_the_image(self) -> None:
        grid = Pyramid((1.0,), "paper").grid(Size(1000, 670), 1.0, ALEXNET)
        np.testing.assert_allclose(grid.to_image([[0, 0], [8, 8]]), [[224, 224], [736, 670]])
        lattice = Lattice.with_spacing(grid.image_size, 16)
        rows, cols = grid.sampling_weights(lattice)
        assert (rows.shape[1], cols.shape[1]) == (9, 9)
        # The lowest row of the lattice lies above the center of the row of cells with the center at 2 · 336.
        assert rows[:, 8].max() == 0

    def test_an_image_is_first_brought_to_500_pixels(self) -> None:
        for scale, content in ((0.6, Size(300, 201)), (2.0, Size(1000, 670))):
            once = Pyramid((scale,)).grid(Size(2048, 1371), scale, ALEXNET)
            twice = Pyramid((scale,), resize="paper").grid(Size(2048, 1371), scale, ALEXNET)
            assert once.intermediate is None
            assert twice.intermediate == Size(500, 335)
            assert twice.content == content
            assert abs(once.content.height - content.height) <= 1
            assert replace(twice, intermediate=None, content=once.content) == once


class TestCanvas:
    @law
    @given(grids)
    def test_content_keeps_the_longest_side_and_the_shape(self, grid: Grid) -> None:
        steps = [(grid.image_size, grid.content, max(1, round(500 * grid.scale)))]
        if grid.intermediate is not None:
            steps = [(grid.image_size, grid.intermediate, 500), (grid.intermediate, *steps[0][1:])]
        for before, after, longest in steps:
            assert after.longest == longest
            ratio = longest / before.longest
            assert abs(after.width - before.width * ratio) <= max(0.5, 1 - before.width * ratio)
            assert abs(after.height - before.height * ratio) <= max(0.5, 1 - before.height * ratio)

    @law
    @given(grids)
    def test_canvas_suits_the_backbone(self, grid: Grid) -> None:
        for content, canvas, cells, _valid in axes(grid):
            if grid.layout.window is None:
                assert canvas >= content
                assert canvas % grid.layout.stride == 0
            else:
                # Windows that would not lie entirely on the paper's square are ignored, with either padding.
                assert canvas >= grid.layout.window
                unseen = content - (grid.layout.stride * (cells - 1) + grid.layout.window)
                assert unseen < grid.layout.stride
            assert cells == cells_of_a_convolution(grid.layout, canvas)

    @law
    @given(sizes, scales, layouts)
    def test_stride_padding_is_tight(self, size: Size, scale: float, layout: CellLayout) -> None:
        grid = Pyramid((scale,)).grid(size, scale, layout)
        for content, canvas, cells, valid in axes(grid):
            if layout.window is None:
                assert canvas - content < layout.stride
            else:
                assert canvas == layout.stride * (cells - 1) + layout.window
                assert valid == cells

    @law
    @given(grids)
    def test_valid_cells_are_those_whose_center_lies_on_the_image(self, grid: Grid) -> None:
        for content, _canvas, cells, valid in axes(grid):
            on_content = [i for i in range(cells) if grid.layout.offset + grid.layout.stride * i < content]
            assert 1 <= valid <= cells
            if grid.pools_padding:
                assert valid == cells
            else:
                assert list(range(valid)) == (on_content or [0])

    @law
    @given(sizes, scales, layouts)
    def test_square_padding_gives_the_same_cells_for_more_work(
        self, size: Size, scale: float, layout: CellLayout
    ) -> None:
        tight = Pyramid((scale,)).grid(size, scale, layout)
        square = Pyramid((scale,), "square").grid(size, scale, layout)
        assert tight.content == square.content
        assert (tight.valid_rows, tight.valid_cols) == (square.valid_rows, square.valid_cols)
        cells = list(np.ndindex(tight.valid_rows, tight.valid_cols))
        np.testing.assert_array_equal(tight.to_image(cells), square.to_image(cells))
        assert square.canvas.width >= tight.canvas.width
        assert square.canvas.height >= tight.canvas.height
        assert square.canvas.width == square.canvas.height


class TestPositions:
    @law
    @given(grids, st.lists(st.tuples(fractions, fractions), min_size=1, max_size=20))
    def test_a_known_position_comes_back_within_half_a_cell(
        self, grid: Grid, at: list[tuple[float, float]]
    ) -> None:
        x, y = (
            np.minimum(*pair) for pair in zip(centers(grid), (grid.image_size.width, grid.image_size.height))
        )
        points = np.array([(x[0] + u * (x[-1] - x[0]), y[0] + v * (y[-1] - y[0])) for u, v in at])
        nearest = np.rint(grid.to_cells(points)).astype(int)
        assert (nearest >= 0).all()
        assert (nearest < (grid.valid_rows, grid.valid_cols)).all()
        back = grid.to_image(nearest)
        half = np.array(
            [
                grid.layout.stride / 2 * grid.image_size.width / grid.content.width,
                grid.layout.stride / 2 * grid.image_size.height / grid.content.height,
            ]
        )
        assert (np.abs(back - points) <= half * (1 + 1e-9)).all()

    @law
    @given(grids)
    def test_centers_lie_where_the_definition_says(self, grid: Grid) -> None:
        x, y = centers(grid)
        cells = np.array(list(np.ndindex(grid.valid_rows, grid.valid_cols)))
        points = grid.to_image(cells)
        np.testing.assert_allclose(points[:, 0], np.minimum(x, grid.image_size.width)[cells[:, 1]])
        np.testing.assert_allclose(points[:, 1], np.minimum(y, grid.image_size.height)[cells[:, 0]])

    @law
    @given(grids, fractions, fractions)
    def test_to_cells_inverts_to_image(self, grid: Grid, down: float, right: float) -> None:
        x, y = centers(grid)
        assume(x[0] <= grid.image_size.width)
        assume(y[0] <= grid.image_size.height)
        # With pooled padding, the image does not contain the centers of the last cells.
        last = (
            np.count_nonzero(y <= grid.image_size.height) - 1,
            np.count_nonzero(x <= grid.image_size.width) - 1,
        )
        cell = np.array([down * last[0], right * last[1]])
        np.testing.assert_allclose(grid.to_cells(grid.to_image(cell)), cell, atol=1e-7)

    @law
    @given(grids, st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)))
    def test_every_point_gets_a_valid_cell_and_every_cell_a_point_of_the_image(
        self, grid: Grid, point: tuple[float, float]
    ) -> None:
        row, col = grid.to_cells(point)
        assert 0 <= row <= grid.valid_rows - 1
        assert 0 <= col <= grid.valid_cols - 1
        x, y = grid.to_image(point)
        assert 0 <= x <= grid.image_size.width
        assert 0 <= y <= grid.image_size.height

    def test_shapes_and_dtype_are_kept(self) -> None:
        grid = Pyramid((1.0,)).grid(Size(640, 480), 1.0, PADDED)
        for shape in ((2,), (3, 2), (4, 5, 2), (0, 2)):
            assert grid.to_image(np.zeros(shape, int)).shape == shape
            assert grid.to_cells(np.zeros(shape, np.float32)).shape == shape
        assert grid.to_image([0, 0]).dtype == np.float64


def grid_sampled(values: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Return values at fractional rows and columns, constant beyond the border, using torch's grid_sample."""
    height, width = values.shape
    y = torch.from_numpy((2 * rows + 1) / height - 1)[:, None].expand(len(rows), len(cols))
    x = torch.from_numpy((2 * cols + 1) / width - 1)[None].expand(len(rows), len(cols))
    sampled = functional.grid_sample(
        torch.from_numpy(values)[None, None],
        torch.stack((x, y), dim=-1)[None],
        *("bilinear", "border"),
        align_corners=False,
    )
    return sampled[0, 0].numpy()


class TestSampling:
    @law
    @given(grids, st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
    def test_agrees_with_grid_sample(self, grid: Grid, rows: int, cols: int, seed: int) -> None:
        lattice = Lattice(grid.image_size, rows, cols)
        weights_y, weights_x = grid.sampling_weights(lattice)
        values = np.random.default_rng(seed).normal(size=(grid.valid_rows, grid.valid_cols))
        layout = grid.layout
        # From the image to the canvas, and from there to the cell.
        y = (
            (np.arange(rows) + 0.5)
            * grid.image_size.height
            / rows
            * grid.content.height
            / grid.image_size.height
        )
        x = (
            (np.arange(cols) + 0.5)
            * grid.image_size.width
            / cols
            * grid.content.width
            / grid.image_size.width
        )
        wanted = grid_sampled(
            values, (y - layout.offset) / layout.stride, (x - layout.offset) / layout.stride
        )
        np.testing.assert_allclose(weights_y @ values @ weights_x.T, wanted, atol=2e-6)

    @law
    @given(grids, st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
    def test_the_field_samples_the_same_positions(self, grid: Grid, rows: int, cols: int, seed: int) -> None:
        lattice = Lattice(grid.image_size, rows, cols)
        values = np.random.default_rng(seed).normal(size=(grid.rows, grid.cols))
        field = torch.from_numpy(grid.sampling_field(lattice)).double()
        sampled = functional.grid_sample(
            torch.from_numpy(values)[None, None], field[None], padding_mode="border", align_corners=True
        )
        weights_y, weights_x = grid.sampling_weights(lattice)
        wanted = weights_y @ values[: grid.valid_rows, : grid.valid_cols] @ weights_x.T
        # The field is float32: a position on a map of n cells is known to about n / 10^7 cells.
        slack = 1e-6 * max(grid.rows, grid.cols)
        np.testing.assert_allclose(sampled[0, 0].numpy(), wanted, atol=1e-5 + 10 * slack)

    @law
    @given(grids)
    def test_the_mask_leaves_valid_cells(self, grid: Grid) -> None:
        mask = grid.padding_mask()
        assert mask.shape == (grid.rows, grid.cols)
        assert mask.dtype == np.float32
        assert (mask[: grid.valid_rows, : grid.valid_cols] == 0).all()
        assert np.isneginf(mask).sum() == mask.size - grid.valid_rows * grid.valid_cols

    @law
    @given(grids, st.integers(1, 60), st.integers(1, 60))
    def test_rows_sum_to_one_and_nothing_is_negative(self, grid: Grid, rows: int, cols: int) -> None:
        lattice = Lattice(grid.image_size, rows, cols)
        shapes = ((rows, grid.valid_rows), (cols, grid.valid_cols))
        for weights, shape in zip(grid.sampling_weights(lattice), shapes, strict=True):
            assert weights.dtype == np.float32
            assert weights.shape == shape
            assert (weights >= 0).all()
            np.testing.assert_allclose(weights.sum(axis=1, dtype=np.float64), 1, atol=1e-6)

    @law
    @given(grids, st.floats(-3, 3), st.floats(-3, 3))
    def test_a_slope_is_kept_between_the_outer_centers(self, grid: Grid, a: float, b: float) -> None:
        lattice = Lattice.with_spacing(grid.image_size, 8.0)
        cell_x, cell_y = centers(grid)
        x = (np.arange(lattice.cols) + 0.5) * grid.image_size.width / lattice.cols
        y = (np.arange(lattice.rows) + 0.5) * grid.image_size.height / lattice.rows
        # Relative to the image, so that float32 is precise enough.
        unit = 1 / grid.image_size.longest
        values = unit * (a * cell_x[None] + b * cell_y[:, None])
        weights_y, weights_x = grid.sampling_weights(lattice)
        held_x, held_y = np.clip(x, cell_x[0], cell_x[-1]), np.clip(y, cell_y[0], cell_y[-1])
        wanted = unit * (a * held_x[None] + b * held_y[:, None])
        tolerance = 1e-5 * (1 + np.abs(values).max())
        np.testing.assert_allclose(weights_y @ values @ weights_x.T, wanted, atol=tolerance)


def image_boxes(grid: Grid, data: st.DataObject) -> np.ndarray:
    """One to five boxes on the image, including thin boxes and boxes of the whole image."""
    ends = st.lists(fractions, min_size=2, max_size=2).map(sorted)
    pairs = data.draw(st.lists(st.tuples(ends, ends), min_size=1, max_size=5))
    corners = [(x[0], y[0], x[1], y[1]) for x, y in pairs]
    return np.array(corners) * [
        *(grid.image_size.width, grid.image_size.height),
        *(grid.image_size.width, grid.image_size.height),
    ]


class TestCoverage:
    @law
    @given(grids, st.data())
    def test_rows_sum_to_one_and_nothing_is_negative(self, grid: Grid, data: st.DataObject) -> None:
        boxes = image_boxes(grid, data)
        shapes = ((len(boxes), grid.valid_rows), (len(boxes), grid.valid_cols))
        for found, shape in zip(grid.coverage(boxes), shapes, strict=True):
            assert found.dtype == np.float32
            assert found.shape == shape
            assert (found >= 0).all()
            np.testing.assert_allclose(found.sum(axis=1, dtype=np.float64), 1, atol=1e-5)

    @law
    @given(grids, st.data())
    def test_coverage_is_the_fraction_of_the_box_on_each_cell(self, grid: Grid, data: st.DataObject) -> None:
        boxes = image_boxes(grid, data)
        found = grid.coverage(boxes)[::-1]
        for axis, cells in enumerate((grid.valid_cols, grid.valid_rows)):
            content, image = (
                (grid.content.width, grid.image_size.width)
                if axis == 0
                else (grid.content.height, grid.image_size.height)
            )
            for box, row in zip(boxes * content / image, found[axis], strict=True):
                # On the canvas, in pixels; the cells end half a stride beyond the last center.
                low, high = box[axis], box[axis + 2]
                first = grid.layout.offset - grid.layout.stride / 2
                last = first + grid.layout.stride * cells
                low, high = min(max(low, first), last), min(max(high, first), last)
                if high - low < grid.layout.stride:
                    continue
                for cell in range(cells):
                    left = first + grid.layout.stride * cell
                    part = max(0.0, min(high, left + grid.layout.stride) - max(low, left))
                    assert row[cell] == pytest.approx(part / (high - low), abs=1e-5)

    def test_a_box_on_whole_cells_takes_them_equally(self) -> None:
        grid = Pyramid((1.0,)).grid(Size(500, 500), 1.0, CellLayout(32, 16.0))
        rows, cols = grid.coverage([[32, 64, 96, 192]])
        np.testing.assert_allclose(rows[0, :7], [0, 0, 0.25, 0.25, 0.25, 0.25, 0])
        np.testing.assert_allclose(cols[0, :4], [0, 0.5, 0.5, 0])

    def test_a_narrow_box_is_widened_around_its_middle_but_not_beyond_the_cells(self) -> None:
        grid = Pyramid((1.0,)).grid(Size(500, 500), 1.0, CellLayout(32, 16.0))
        rows, cols = grid.coverage([[39, 0, 41, 2], [496, 250, 500, 250]])
        np.testing.assert_allclose(cols[0, :3], [0.25, 0.75, 0])
        assert rows[0, 0] == 1
        assert cols[1, -1] == 1

    def test_a_box_outside_all_cells_lies_on_the_nearest(self) -> None:
        grid = Pyramid((1.0,)).grid(Size(500, 500), 1.0, ALEXNET)
        rows, cols = grid.coverage([[0, 450, 40, 500]])
        assert (rows[0, -1], cols[0, 0]) == (1, 1)

    @law
    @given(grids, st.data())
    def test_sides_are_those_on_the_canvas(self, grid: Grid, data: st.DataObject) -> None:
        boxes = image_boxes(grid, data)
        across = grid.content.width / grid.image_size.width
        down = grid.content.height / grid.image_size.height
        wanted = [((x2 - x1) * across * (y2 - y1) * down) ** 0.5 for x1, y1, x2, y2 in boxes]
        np.testing.assert_allclose(grid.box_sides_on_canvas(boxes), wanted, rtol=1e-9, atol=1e-9)

    def test_no_boxes(self) -> None:
        grid = Pyramid((1.0,)).grid(Size(500, 500), 1.0, PADDED)
        assert [part.shape for part in grid.coverage([])] == [(0, grid.valid_rows), (0, grid.valid_cols)]
        assert grid.box_sides_on_canvas([]).shape == (0,)


class TestSubdivided:
    def test_positions_of_an_earlier_stage(self) -> None:
        grid = Pyramid().grid(Size(500, 333), 1.0, CellLayout(32, offset=23.0))
        fine = grid.subdivided(2)
        assert fine.layout == CellLayout(16, offset=11.5)
        assert (fine.rows, fine.cols) == (2 * grid.rows, 2 * grid.cols)
        assert (fine.image_size, fine.content, fine.canvas) == (grid.image_size, grid.content, grid.canvas)
        np.testing.assert_allclose(fine.to_image([(3, 5)]), [[11.5 + 16 * 5, 11.5 + 16 * 3]])
        assert grid.subdivided(1) is grid

    @given(grids, st.integers(1, 40), st.integers(1, 40), st.floats(-2, 2), st.floats(-2, 2))
    def test_cell_weights_keep_a_slope_between_the_outer_positions(
        self, grid: Grid, rows: int, cols: int, a: float, b: float
    ) -> None:
        lattice = Lattice(grid.image_size, rows, cols)
        down_y, down_x = grid.cell_weights(lattice)
        assert down_y.shape == (grid.valid_rows, rows)
        assert down_x.shape == (grid.valid_cols, cols)
        np.testing.assert_allclose(down_y.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(down_x.sum(axis=1), 1, atol=1e-5)
        size = grid.image_size
        slope = a * lattice.ys[:, None] / size.height + b * lattice.xs[None] / size.width
        cells = np.stack(
            np.meshgrid(np.arange(grid.valid_rows), np.arange(grid.valid_cols), indexing="ij"), -1
        )
        x, y = np.moveaxis(grid.to_image(cells), -1, 0)
        x, y = np.clip(x, lattice.xs[0], lattice.xs[-1]), np.clip(y, lattice.ys[0], lattice.ys[-1])
        np.testing.assert_allclose(
            down_y @ slope @ down_x.T, a * y / size.height + b * x / size.width, atol=1e-4
        )

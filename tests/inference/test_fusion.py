"""Scores, points, peaks and maps, each against a slow computation written out cell by cell."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from torch.nn import functional

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout, Grid, Padding
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.decision import DecisionRule
from freeloc.inference.fusion import localize, locate, pooled_scores
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import LATTICE_STEP, ScoreMap, sigmoid
from freeloc.models.calibration import Calibration

law = settings(deadline=None, max_examples=40)

PADDED = CellLayout(stride=32, offset=31.5)
LAYOUTS = (PADDED, CellLayout(32, 112.0, 224), CellLayout(32, 23.0), CellLayout(16, 8.0))
CLASSES = ("cat", "dog", "bus")

sides = st.integers(1, 6000) | st.sampled_from((1, 375, 500, 6000))
sizes = st.builds(Size, sides, sides)
scale_sets = st.lists(st.floats(0.1, 2), min_size=1, max_size=4).map(tuple) | st.just(TEST_SCALES)
shares = st.floats(0, 1)


def random_maps(seed: int, size: Size, scales: tuple[float, ...], layout: CellLayout) -> list[ScoreMap]:
    rng = np.random.default_rng(seed)
    return [
        ScoreMap.of(rng.normal(0, 3, (3, grid.valid_rows, grid.valid_cols)).astype(np.float32), grid)
        for grid in Pyramid(scales).grids(size, layout)
    ]


def cell_positions(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """x of the valid columns and y of the valid rows, held within the image, from first principles."""
    stride, offset = grid.layout.stride, grid.layout.offset
    x = (offset + stride * np.arange(grid.valid_cols)) * grid.image_size.width / grid.content.width
    y = (offset + stride * np.arange(grid.valid_rows)) * grid.image_size.height / grid.content.height
    return np.minimum(x, grid.image_size.width), np.minimum(y, grid.image_size.height)


def blob(grid: Grid, at: tuple[float, float]) -> ScoreMap:
    """A map that falls with the distance of each cell's position from a point of the image."""
    x, y = cell_positions(grid)
    distance = np.hypot(x[None] - at[0], y[:, None] - at[1])
    unit = grid.image_size.longest / 500 * 25
    return ScoreMap.of((2 - distance / unit).astype(np.float32)[None], grid)


def reach(grid: Grid, at: tuple[float, float]) -> tuple[float, float]:
    """How far the nearest cell may lie from a point: half a cell, or more where no cell reaches."""
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


def fused_reach(grids: Sequence[Grid], at: tuple[float, float], lattice: Lattice) -> np.ndarray:
    """How far along x and y the fused point may lie from the blob's place.

    Each scale's map falls on both sides of its own nearest cell, so the sum's maximum lies among those cells:
    no farther than the coarsest scale's, but for a step of the raster. Where the middle of the image
    lies beyond the outermost cells of every scale, the map is flat there and the middle is given.
    """
    bounds = np.max([reach(grid, at) for grid in grids], axis=0)
    middle = (lattice.image_size.width / 2, lattice.image_size.height / 2)
    for axis in (0, 1):
        positions = np.concatenate([cell_positions(grid)[axis] for grid in grids])
        if not positions.min() < middle[axis] < positions.max():
            bounds[axis] = max(bounds[axis], abs(middle[axis] - at[axis]))
    return bounds + (lattice.image_size.width / lattice.cols, lattice.image_size.height / lattice.rows)


class TestAKnownPlaceComesBack:
    @law
    @given(
        sizes,
        st.floats(0.1, 4),
        st.sampled_from(LAYOUTS),
        st.sampled_from(("stride", "square")),
        shares,
        shares,
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
    @given(sizes, scale_sets, st.sampled_from(LAYOUTS), shares, shares)
    def test_several_scales(
        self, size: Size, scales: tuple[float, ...], layout: CellLayout, u: float, v: float
    ) -> None:
        at = (u * size.width, v * size.height)
        grids = Pyramid(scales).grids(size, layout)
        maps = [blob(grid, at) for grid in grids]
        slack = 1e-4 * size.longest
        # The paper's way takes the cell nearest of all scales: no farther than the finest scale's nearest.
        (found,) = localize(maps, ("blob",), mode="paper")
        finest = min(math.hypot(*reach(grid, at)) for grid in grids)
        assert math.hypot(found.x - at[0], found.y - at[1]) <= finest + slack
        result = localize(maps, ("blob",))
        assert (np.abs(result.points[0] - at) <= fused_reach(grids, at, result.lattice) + slack).all()

    def test_an_ordinary_image_is_located_within_a_few_pixels(self) -> None:
        size, at = Size(500, 375), (311.0, 142.0)
        maps = [blob(grid, at) for grid in Pyramid(TEST_SCALES).grids(size, PADDED)]
        for mode, bound in (("paper", 32 / 2.8 / 2 * math.sqrt(2)), ("fused", 16.0)):
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
        # Pooling decides the score, not the place.
        np.testing.assert_array_equal(result.points, localize(maps, CLASSES).points)

    def test_present_classes_come_most_probable_first(self) -> None:
        (grid,) = Pyramid((1.0,)).grids(Size(500, 375), PADDED)
        values = np.zeros((3, grid.valid_rows, grid.valid_cols), np.float32)
        values += np.array([0.0, 3.0, -1.0], np.float32)[:, None, None]
        result = localize([ScoreMap.of(values, grid)], CLASSES)
        # logistic(0) is exactly one half, and the threshold is reached by being equal to it.
        assert [found.name for found in result.present()] == ["dog", "cat"]
        assert [found.name for found in result.present(0.51)] == ["dog"]
        assert [found.name for found in result.present(0.0)] == ["dog", "cat", "bus"]
        assert result.present(0.99) == ()

    def test_a_calibration_decides_how_probable_and_what_is_present(self) -> None:
        (grid,) = Pyramid((1.0,)).grids(Size(500, 375), PADDED)
        values = np.zeros((3, grid.valid_rows, grid.valid_cols), np.float32)
        values += np.array([2.0, 50.0, 60.0], np.float32)[:, None, None]
        own = Calibration((0.5, 1.0, 1.0), (-2.0, 0.0, -5.0), (0.25, 0.5, 0.75))
        result = localize([ScoreMap.of(values, grid)], CLASSES, decision=DecisionRule(own, 0.9))
        plain = localize([ScoreMap.of(values, grid)], CLASSES)
        np.testing.assert_allclose(result.probabilities, expit([-1.0, 50.0, 55.0]), rtol=1e-6)
        np.testing.assert_array_equal(result.scores, plain.scores)
        np.testing.assert_array_equal(result.points, plain.points)
        np.testing.assert_array_equal(result.thresholds, [0.25, 0.5, 0.75])
        assert [found.threshold for found in result] == [0.25, 0.5, 0.75]
        assert [found.probability for found in result] == result.probabilities.tolist()
        # 50 and 55 are both certain; the order is that of the log-odds.
        assert [found.name for found in result.ranked()] == ["bus", "dog", "cat"]
        assert [found.name for found in result.present()] == ["bus", "dog", "cat"]
        assert [found.name for found in result.present(0.3)] == ["bus", "dog"]

    def test_without_a_calibration_the_threshold_is_the_models(self) -> None:
        maps = random_maps(1, Size(500, 375), (1.0,), PADDED)
        result = localize(maps, CLASSES, decision=DecisionRule(threshold=0.999))
        assert result.thresholds.tolist() == [0.999] * 3
        assert result.present() == result.present(0.999)
        plain = localize(maps, CLASSES)
        assert plain.present() == plain.present(0.5)


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
                        best, place = float(part.values[k, i, j]), (x[j], y[i])
            assert result.responses[k] == np.float32(best)
            assert result.points[k] == pytest.approx(place)


def slow_fused(maps: list[ScoreMap], lattice: Lattice, combine: str) -> np.ndarray:
    """Raster values one by one: bilinear reading of every scale, then mean of the halved score's logistic, or maximum."""
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
    @settings(deadline=None, max_examples=15)
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

    @settings(deadline=None, max_examples=15)
    @given(sizes, scale_sets, st.integers(0, 999))
    def test_the_papers_way_keeps_the_highest_raw_score(
        self, size: Size, scales: tuple[float, ...], seed: int
    ) -> None:
        maps = random_maps(seed, size, scales, PADDED)
        result = localize(maps, CLASSES, mode="paper", step=60.0)
        np.testing.assert_allclose(result.maps, slow_fused(maps, result.lattice, "max"), atol=2e-5)

    @pytest.mark.parametrize("mode", ["fused", "paper"])
    def test_a_rescaled_map_agrees_with_torch(self, mode: LocationMode) -> None:
        size = Size(130, 97)
        result = localize(random_maps(3, size, (0.5, 1.0), PADDED), CLASSES, mode=mode)
        rescaled = result.map("dog")
        assert rescaled.shape == (97, 130)
        assert rescaled.dtype == np.float32
        wanted = functional.interpolate(
            torch.from_numpy(result.maps[1])[None, None], (97, 130), mode="bilinear", align_corners=False
        )
        np.testing.assert_allclose(rescaled, wanted[0, 0].numpy(), atol=1e-4)

    def test_of_equal_places_the_one_nearest_the_middle_is_the_point(self) -> None:
        # All of a map at one height: scores past float32's logistic, say.
        (grid,) = Pyramid((1.0,)).grids(Size(500, 400), PADDED)
        values = np.full((1, grid.valid_rows, grid.valid_cols), 40, np.float32)
        (found,) = localize([ScoreMap.of(values, grid)], ("blob",))
        assert (found.x, found.y) == pytest.approx((250, 200), abs=4.1)

    def test_raster_step_is_in_normalised_pixels(self) -> None:
        result = localize(random_maps(0, Size(1000, 500), (1.0,), PADDED), CLASSES)
        assert LATTICE_STEP == 8
        assert result.maps.shape == (3, round(250 / 8), round(500 / 8))


class TestResult:
    @pytest.mark.parametrize("mode", ["fused", "paper"])
    def test_shapes_and_dtypes(self, mode: LocationMode) -> None:
        maps = random_maps(1, Size(333, 500), (0.5, 1.0), PADDED)
        result = localize(maps, CLASSES, mode=mode, path=Path("a.jpg"))
        assert result.scores.dtype == result.responses.dtype == result.maps.dtype == np.float32
        assert result.probabilities.dtype == np.float32
        assert result.points.dtype == np.float64
        assert result.points.shape == (3, 2)
        assert (result.image_size, result.classes, result.mode) == (Size(333, 500), CLASSES, mode)
        assert result.path == Path("a.jpg")

    def test_classes_are_found_by_name_and_in_order(self) -> None:
        result = localize(random_maps(1, Size(333, 500), (1.0,), PADDED), CLASSES)
        assert [found.name for found in result] == list(CLASSES)
        for k, name in enumerate(CLASSES):
            found = result[name]
            assert (found.x, found.y) == tuple(result.points[k])
            assert (found.score, found.response) == (result.scores[k], result.responses[k])

    @pytest.mark.parametrize("ask", [Localization.__getitem__, Localization.map, Localization.peaks])
    def test_an_unknown_class_is_named_with_the_known_ones(self, ask: object) -> None:
        result = localize(random_maps(1, Size(333, 500), (1.0,), PADDED), CLASSES)
        with pytest.raises(
            FreelocError, match="class 'cow' is unknown to this model: choose one of cat, dog, bus"
        ):
            ask(result, "cow")  # type: ignore[operator]

    @pytest.mark.parametrize("mode", ["fused", "paper"])
    @pytest.mark.parametrize("size", [1.0, 1e4])
    def test_huge_scores_give_no_warning_and_nothing_unusual(self, mode: LocationMode, size: float) -> None:
        grids = Pyramid((0.5, 1.0)).grids(Size(500, 375), PADDED)
        rng = np.random.default_rng(5)
        maps = [
            ScoreMap.of(
                (size * rng.choice([-1, 1], (3, grid.valid_rows, grid.valid_cols))).astype(np.float32), grid
            )
            for grid in grids
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = localize(maps, CLASSES, mode=mode)
            peaks = result.peaks("cat")
            probabilities = result.probabilities
        for values in (result.scores, result.maps, result.points, result.responses, probabilities):
            assert np.isfinite(values).all()
        assert all(math.isfinite(peak.value) for peak in peaks)


class TestLogistic:
    @law
    @given(st.floats(-50, 50, width=32))
    def test_agrees_with_scipy(self, value: float) -> None:
        assert sigmoid(value) == pytest.approx(float(expit(value)), rel=1e-5)

    def test_ends(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = sigmoid(np.array([-np.inf, -1e30, 0, 1e30, np.inf]))
        np.testing.assert_allclose(values, [0, 0, 0.5, 1, 1], atol=1e-20)
        assert values.dtype == np.float32


class TestPeaks:
    @law
    @given(sizes, scale_sets, st.integers(0, 999))
    def test_the_strongest_peak_is_the_fused_point(
        self, size: Size, scales: tuple[float, ...], seed: int
    ) -> None:
        result = localize(random_maps(seed, size, scales, PADDED), CLASSES)
        for found in result:
            peak = result.peaks(found.name)[0]
            assert (peak.x, peak.y, peak.value) == (found.x, found.y, found.response)

    @law
    @given(sizes, scale_sets, st.integers(0, 999), st.integers(1, 6))
    def test_the_strongest_peak_is_the_papers_point(
        self, size: Size, scales: tuple[float, ...], seed: int, count: int
    ) -> None:
        result = localize(random_maps(seed, size, scales, PADDED), CLASSES, mode="paper")
        apart = 60 * size.longest / 500
        for found in result:
            first, *others = result.peaks(found.name, count=count, relative_threshold=0.0)
            assert (first.x, first.y, first.value) == (found.x, found.y, found.response)
            assert len(others) < count
            for peak in others:
                assert np.hypot(peak.x - first.x, peak.y - first.y) >= apart
                assert peak.value <= first.value + 1e-5

    @pytest.mark.parametrize("count", [0, -1])
    def test_no_peaks_cannot_be_asked_for(self, count: int) -> None:
        result = localize(random_maps(0, Size(50, 40), (1.0,), PADDED), CLASSES)
        with pytest.raises(FreelocError, match=f"count must be at least 1, got {count}"):
            result.peaks(CLASSES[0], count=count)

    @pytest.mark.parametrize("mode", ["fused", "paper"])
    def test_flat_borders_make_no_peaks_of_their_own(self, mode: LocationMode) -> None:
        # Beyond the outermost cells a map is flat: with large windows, wide corners of one height.
        (grid,) = Pyramid((1.0,)).grids(Size(500, 500), CellLayout(32, 112.0, 224))
        (peak,) = localize([blob(grid, (240, 240))], ("blob",), mode=mode).peaks(
            "blob", relative_threshold=0.01
        )
        assert (peak.x, peak.y) == pytest.approx((240, 240), abs=5)
        (peak,) = localize([blob(grid, (0, 0))], ("blob",), mode=mode).peaks("blob", relative_threshold=0.01)
        assert (peak.x, peak.y) == pytest.approx((112, 112), abs=8)

    def test_one_cell_for_the_whole_image_is_one_peak_in_its_middle(self) -> None:
        (grid,) = Pyramid((0.05,)).grids(Size(600, 400), PADDED)
        result = localize([ScoreMap.of(np.full((1, 1, 1), 3, np.float32), grid)], ("blob",))
        (peak,) = result.peaks("blob")
        (found,) = result
        assert (peak.x, peak.y) == (found.x, found.y) == pytest.approx((300, 200), abs=6)


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

"""The result of an image: its classes, maps and peaks."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from torch.nn import functional

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.decision import DecisionRule
from freeloc.inference.fusion import localize
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import ScoreMap
from freeloc.models.calibration import Calibration
from tests.inference.synthetic_maps import (
    CLASSES,
    PADDED,
    blob,
    law,
    random_maps,
    scale_sets,
    sizes,
)


class TestClasses:
    def test_present_classes_come_most_probable_first(self) -> None:
        (grid,) = Pyramid((1.0,)).grids(Size(500, 375), PADDED)
        values = np.zeros((3, grid.valid_rows, grid.valid_cols), np.float32)
        values += np.array([0.0, 3.0, -1.0], np.float32)[:, None, None]
        result = localize([ScoreMap.of(values, grid)], CLASSES)
        # logistic(0) is exactly one half, which reaches the threshold.
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
        # 50 and 55 both have probability 1; the order is that of the log-odds.
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
            FreelocError, match="the model does not have the class 'cow': choose one of cat, dog, bus"
        ):
            ask(result, "cow")  # type: ignore[operator]
        with pytest.raises(
            FreelocError, match=r"does not have the class 'Dgo' \(did you mean 'dog'\?\): choose"
        ):
            ask(result, "Dgo")  # type: ignore[operator]

    def test_a_misspelled_option_is_named_with_the_nearest_one(self) -> None:
        result = localize(random_maps(1, Size(333, 500), (1.0,), PADDED), CLASSES)
        for call in (result.peaks, result.boxes):
            with pytest.raises(FreelocError, match="has no option called 'cuont': did you mean 'count'"):
                call("dog", cuont=3)  # type: ignore[call-arg]

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


class TestFullMap:
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
        with pytest.raises(FreelocError, match=f"count is {count}: it must be at least 1"):
            result.peaks(CLASSES[0], count=count)

    @pytest.mark.parametrize("mode", ["fused", "paper"])
    def test_flat_borders_make_no_peaks_of_their_own(self, mode: LocationMode) -> None:
        # Beyond the outermost cells, a map is flat; with large windows, it has wide constant corners.
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

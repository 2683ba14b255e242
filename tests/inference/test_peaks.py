"""Peaks of arbitrary maps, compared with slow searches and scipy."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import expit

from freeloc._literals import PointKind
from freeloc._typing import Float64Array
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.inference.central_point import central_position
from freeloc.inference.instance_cues import InstanceCues, largest_scales
from freeloc.inference.result import Localization, LocationMode

law = settings(max_examples=40)


def on_raster(
    values: np.ndarray, size: Size, mode: LocationMode = "fused", point: PointKind = "salient"
) -> Localization:
    """A result with one given map."""
    lattice = Lattice(size, *values.shape)
    row, col = divmod(int(values.argmax()), values.shape[1])
    if point == "central":
        row, col = central_position(values.astype(np.float32), (row, col))
    return Localization(
        size,
        ("blob",),
        values.max(keepdims=True)[0].astype(np.float32),
        lattice.to_image([(row, col)]),
        values[row, col : col + 1].astype(np.float32),
        values[None].astype(np.float32),
        lattice,
        mode,
        point=point,
    )


def two_blobs(first: float, second: float) -> Float64Array:
    """Two hills on a raster of 40×60 at (row, column) (10, 12) and (28, 45)."""
    rows, cols = np.mgrid[0:40, 0:60]
    hills = [
        (first, np.hypot(rows - 10, cols - 12)),
        (second, np.hypot(rows - 28, cols - 45)),
    ]
    blobs: Float64Array = np.maximum(*(height * np.exp(-((distance / 4) ** 2)) for height, distance in hills))
    return blobs


class TestPeaks:
    def test_two_blobs_are_found_strongest_first(self) -> None:
        result = on_raster(two_blobs(0.6, 0.9), Size(600, 400))
        first, second = result.peaks("blob")
        # Raster steps are 10 pixels; the center of column 45 is at 455.
        assert (first.x, first.y, first.value) == pytest.approx((455, 285, 0.9))
        assert (second.x, second.y, second.value) == pytest.approx((125, 105, 0.6))

    def test_threshold_is_a_share_of_the_strongest(self) -> None:
        result = on_raster(two_blobs(0.6, 0.9), Size(600, 400))
        assert len(result.peaks("blob", relative_threshold=0.66)) == 2
        assert len(result.peaks("blob", relative_threshold=0.67)) == 1

    def test_raw_maps_are_compared_by_probability(self) -> None:
        values = two_blobs(1.0, 2.0) * 4 - 2  # raw scores of 2 and 6: logistic 0.881 and 0.998
        result = on_raster(values, Size(600, 400), "paper")
        first, second = result.peaks("blob", relative_threshold=0.88)
        assert (first.value, second.value) == pytest.approx((6, 2))
        assert len(result.peaks("blob", relative_threshold=0.89)) == 1

    def test_distance_is_in_normalised_pixels(self) -> None:
        # The peaks are hypot(330, 180) = 375.9 pixels apart, or 313.2 at scale 1.
        result = on_raster(two_blobs(0.6, 0.9), Size(600, 400))
        assert len(result.peaks("blob", min_distance=313)) == 2
        assert len(result.peaks("blob", min_distance=314)) == 1

    def test_count_limits(self) -> None:
        result = on_raster(two_blobs(0.6, 0.9), Size(600, 400))
        assert len(result.peaks("blob", count=1)) == 1

    @law
    @given(
        st.integers(0, 9999),
        st.integers(1, 30),
        st.integers(1, 30),
        st.integers(1, 8),
        st.floats(0, 300),
        st.floats(0, 1),
        st.sampled_from((("fused", "salient"), ("fused", "central"), ("paper", "salient"))),
    )
    def test_laws(
        self,
        seed: int,
        rows: int,
        cols: int,
        count: int,
        distance: float,
        threshold: float,
        modes: tuple[LocationMode, PointKind],
    ) -> None:
        mode, point = modes
        rng = np.random.default_rng(seed)
        size = Size(int(rng.integers(1, 2000)), int(rng.integers(1, 2000)))
        values = rng.random((rows, cols)) if mode == "fused" else rng.normal(0, 3, (rows, cols))
        result = on_raster(values, size, mode, point)
        peaks = result.peaks("blob", count=count, min_distance=distance, relative_threshold=threshold)
        assert 1 <= len(peaks) <= count
        assert (peaks[0].x, peaks[0].y, peaks[0].value) == (*result.points[0], result.responses[0])
        heights = [peak.value for peak in peaks]
        # A central point can be lower than another peak of the same map, but is always the first.
        ordered = heights[1:] if point == "central" else heights
        assert ordered == sorted(ordered, reverse=True)
        strengths = [float(expit(height)) if mode == "paper" else height for height in heights]
        highest = float(values.max()) if point == "central" else strengths[0]
        least = (0.8 if point == "central" else 1) * threshold * highest
        assert all(strength >= least - 1e-6 for strength in strengths)
        apart = distance * size.longest / 500
        for index, peak in enumerate(peaks):
            col, row = peak.x / size.width * cols - 0.5, peak.y / size.height * rows - 0.5
            assert (row, col) == pytest.approx((round(row), round(col)), abs=1e-6)
            i, j = round(row), round(col)
            assert np.float32(peak.value) == np.float32(values[i, j])
            if point == "salient":
                around = values[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
                assert np.float32(around.max()) == np.float32(peak.value)
            for other in peaks[:index]:
                assert math.hypot(peak.x - other.x, peak.y - other.y) >= max(apart * (1 - 1e-9), 1e-6)

    @law
    @given(st.integers(0, 9999), st.integers(1, 12), st.integers(1, 12), st.integers(2, 4))
    def test_every_flat_is_one_peak_or_none(self, seed: int, rows: int, cols: int, heights: int) -> None:
        # Few distinct values yield many plateaus. Scipy finds those that are not adjacent to a higher value.
        values = np.random.default_rng(seed).integers(1, heights + 1, (rows, cols))
        result = on_raster(values, Size(10 * cols, 10 * rows))
        everywhere = np.ones((3, 3))
        wanted = []
        for height in range(1, heights + 1):
            parts, number = ndimage.label(values == height, everywhere)
            for part in range(1, number + 1):
                grown = ndimage.binary_dilation(parts == part, everywhere)
                if values[grown].max() == height:
                    wanted.append({tuple(cell) for cell in np.argwhere(parts == part)})
        found = [
            (round(peak.y / 10 - 0.5), round(peak.x / 10 - 0.5))
            for peak in result.peaks("blob", count=1000, min_distance=0, relative_threshold=0)
        ]
        assert len(found) == len(wanted)
        assert all(sum(cell in part for cell in found) == 1 for part in wanted)

    def test_nothing_between_two_peaks_is_left_out(self) -> None:
        # Every local maximum far enough from higher ones is returned, in agreement with a slow search.
        rng = np.random.default_rng(2)
        values = rng.random((15, 20))
        result = on_raster(values, Size(200, 150))
        expected: list[tuple[float, float]] = []
        for flat in np.argsort(-values.ravel()):
            i, j = divmod(int(flat), 20)
            around = values[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            place = (10 * j + 5.0, 10 * i + 5.0)
            if values[i, j] == around.max() and all(math.dist(place, other) >= 24 for other in expected):
                expected.append(place)
        peaks = result.peaks("blob", count=1000, min_distance=60, relative_threshold=0)
        assert [(peak.x, peak.y) for peak in peaks] == [pytest.approx(place) for place in expected]
        assert len(expected) > 5


class TestCentralPeaks:
    """A steep hill, and a wide flat one with two maxima that move to the same place."""

    def values(self) -> Float64Array:
        values = np.zeros((40, 60))
        values[4:7, 4:7] = 1.0
        values[20:31, 10:51] = 0.7
        values[25, 11], values[25, 49] = 0.8, 0.79
        return values

    def test_maxima_that_move_to_the_same_place_are_one_peak(self) -> None:
        size = Size(600, 400)
        assert len(on_raster(self.values(), size).peaks("blob")) == 3
        first, second = on_raster(self.values(), size, point="central").peaks("blob")
        assert (first.x, first.y, first.value) == (55, 55, 1.0)
        # Of the places that are farthest from the border, the first one is returned.
        assert (second.x, second.y, second.value) == pytest.approx((155, 255, 0.7))

    def test_peaks_are_ordered_by_their_values_after_moving(self) -> None:
        values = self.values()
        values[25, 11] = 0.85
        values[34:37, 54:57] = 0.75
        peaks = on_raster(values, Size(600, 400), point="central").peaks("blob", min_distance=50)
        assert [peak.value for peak in peaks] == pytest.approx([1.0, 0.75, 0.7])

    def test_a_limited_number_is_filled_with_peaks_farther_down(self) -> None:
        values = self.values()
        values[34:37, 54:57] = 0.6
        peaks = on_raster(values, Size(600, 400), point="central").peaks("blob", count=3, min_distance=50)
        assert [peak.value for peak in peaks] == pytest.approx([1.0, 0.7, 0.6])

    def test_peaks_of_the_largest_scales_move_and_those_of_unlikely_classes_do_not(self) -> None:
        size, fine = Size(600, 400), self.values()[None].astype(np.float32)
        result = on_raster(self.values()[::-1], size, point="central")
        likely = dataclasses.replace(result, cues=InstanceCues(np.array([0]), fine))
        assert [(peak.x, peak.y) for peak in likely.peaks("blob")] == [(55, 345), (55, 55), (155, 255)]
        unlikely = dataclasses.replace(
            on_raster(self.values(), size),
            point="central",
            cues=InstanceCues(np.array([], np.intp), fine[:0]),
        )
        assert unlikely.peaks("blob") == on_raster(self.values(), size).peaks("blob")


class TestLargestScales:
    """Objects side by side, which are one hill in the fused map and two in the map of the largest scales."""

    def result(self) -> Localization:
        coarse = two_blobs(0.9, 0.5) * 0.1
        coarse[8:30, 10:48] += 0.5
        coarse[11, 13] += 0.3
        result = on_raster(coarse, Size(600, 400))
        cues = InstanceCues(np.array([0]), two_blobs(0.8, 0.6)[None].astype(np.float32))
        return dataclasses.replace(result, cues=cues)

    def test_the_point_comes_first_and_then_the_other_object(self) -> None:
        result = self.result()
        first, second = result.peaks("blob")
        assert (first.x, first.y, first.value) == (*result.points[0], result.responses[0])
        assert (second.x, second.y) == pytest.approx((455, 285))
        assert second.value == pytest.approx(result.responses[0] * 0.6 / 0.8)

    def test_thresholds_and_counts_apply(self) -> None:
        result = self.result()
        assert len(result.peaks("blob", count=1)) == 1
        assert len(result.peaks("blob", relative_threshold=0.76)) == 1
        assert len(result.peaks("blob", min_distance=330.0)) == 1
        assert len(result.peaks("blob", min_distance=0.0, relative_threshold=0.7)) == 3

    def test_a_class_that_is_not_likely_has_the_peaks_of_its_map(self) -> None:
        result = self.result()
        assert result.cues is not None
        unlikely = InstanceCues(np.array([], np.intp), result.cues.fine_maps[:0])
        plain = dataclasses.replace(result, cues=None)
        assert dataclasses.replace(result, cues=unlikely).peaks("blob") == plain.peaks("blob")


def test_the_largest_third_of_the_scales() -> None:
    assert largest_scales([0.5, 0.7, 1.0, 1.4, 2.0, 2.8]) == (4, 5)
    assert largest_scales([1.4, 0.7, 1.0]) == (0,)
    assert largest_scales([2.8, 0.5]) == (0,)
    assert largest_scales([1.0]) == (0,)

"""Boxes in stored and resized rasters, converted to image coordinates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.orientation import (
    ImageFrame,
    is_uniform_resize,
    matrix_orientation,
    rescale_corners,
    turn_stored,
    turn_upright,
)
from freeloc.geometry.size import Size
from tests.images.sample_images import stored

SIZES = st.builds(Size, st.integers(60, 3000), st.integers(60, 3000))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_box_covers_the_same_pixels(orientation: int) -> None:
    upright = np.arange(30 * 40).reshape(30, 40)
    raster = stored(upright, orientation)
    frame = ImageFrame(Size(40, 30), orientation)
    assert (frame.stored.height, frame.stored.width) == raster.shape
    x1, y1, x2, y2 = map(int, turn_upright((3, 5, 10, 21), frame))
    assert sorted(upright[y1:y2, x1:x2].ravel()) == sorted(raster[5:21, 3:10].ravel())
    assert turn_stored((x1, y1, x2, y2), frame) == (3, 5, 10, 21)


def test_the_box_of_a_camera_held_upright() -> None:
    assert turn_upright((123, 350, 297, 404), ImageFrame(Size(500, 375), 6)) == (96, 123, 150, 297)


def test_a_box_is_rescaled_along_each_side() -> None:
    assert rescale_corners((10, 20, 30, 40), Size(100, 80), Size(50, 20)) == (5, 5, 15, 10)


@given(SIZES, st.floats(0.5, 20), st.sampled_from([np.floor, np.round, np.ceil]))
def test_rounded_resizes_are_uniform(size: Size, factor: float, rounding: np.ufunc) -> None:
    resized = Size(int(rounding(size.width * factor)), int(rounding(size.height * factor)))
    assert is_uniform_resize(size, resized)
    assert is_uniform_resize(resized, size)


@pytest.mark.parametrize(
    "other", [(500, 500), (375, 500), (500, 370), (450, 375), (250, 180), (1000, 740), (1, 1)]
)
def test_crops_and_stretched_images_are_not_uniform_resizes(other: tuple[int, int]) -> None:
    assert not is_uniform_resize(Size(500, 375), Size(*other))


@given(st.integers(1, 8), st.floats(0, 500), st.floats(0, 375), st.floats(0.1, 10))
def test_a_display_matrix_turns_as_the_orientation_does(
    orientation: int, x: float, y: float, scale: float
) -> None:
    """Up to a translation: the difference of two points is mapped alike."""
    frame = ImageFrame(Size(500, 375), orientation)

    def turned(x: float, y: float) -> tuple[float, float]:
        left, top, _, _ = turn_upright((x, y, x, y), frame)
        return left, top

    origin = turned(0, 0)
    (a, b), (c, d) = ((end[0] - origin[0], end[1] - origin[1]) for end in (turned(1, 0), turned(0, 1)))
    assert (a * x + c * y + origin[0], b * x + d * y + origin[1]) == pytest.approx(turned(x, y))
    assert matrix_orientation(scale * a, scale * b, scale * c, scale * d) == orientation


def test_a_rotation_by_another_angle_is_rounded() -> None:
    for degrees, orientation in ((0, 1), (40, 1), (50, 6), (90, 6), (130, 6), (180, 3), (270, 8), (359, 1)):
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        assert matrix_orientation(cos, sin, -sin, cos) == orientation
    assert matrix_orientation(0, 0, 0, 0) == 1

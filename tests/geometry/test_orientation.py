"""Boxes in stored and resized rasters, converted to image coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.orientation import (
    ImageFrame,
    is_uniform_resize,
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

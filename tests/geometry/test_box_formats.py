"""Boxes in the conventions of other formats, converted back by their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.voc.annotation_xml import corners_from_voc
from freeloc.geometry.box import Corners
from freeloc.geometry.box_formats import center_fractions, clip_corners, left_top_size, voc_pixels
from freeloc.geometry.size import Size

SIZES = st.builds(Size, st.integers(1, 300), st.integers(1, 300))
BOXES = st.tuples(*[st.floats(-50, 350)] * 4).map(
    lambda edges: (
        min(edges[0], edges[2]),
        min(edges[1], edges[3]),
        max(edges[0], edges[2]),
        max(edges[1], edges[3]),
    )
)


@given(BOXES, SIZES)
def test_clipped_boxes_lie_in_the_image_and_have_an_area(box: Corners, size: Size) -> None:
    clipped = clip_corners(box, size)
    if clipped is None:
        overlap = (min(box[2], size.width) - max(box[0], 0), min(box[3], size.height) - max(box[1], 0))
        assert min(overlap) <= 0
        return
    assert 0 <= clipped[0] < clipped[2] <= size.width
    assert 0 <= clipped[1] < clipped[3] <= size.height
    assert clip_corners(clipped, size) == clipped


@given(BOXES, SIZES)
def test_centers_and_sizes_describe_the_same_box(box: Corners, size: Size) -> None:
    x, y, width, height = center_fractions(box, size)
    back = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    sides = (size.width, size.height) * 2
    assert [value * side for value, side in zip(back, sides, strict=True)] == pytest.approx(box, abs=1e-9)
    left, top, width, height = left_top_size(box)
    assert (left, top, left + width, top + height) == pytest.approx(box, abs=0.0101)


@given(BOXES, SIZES)
def test_pixels_of_voc_are_the_nearest_ones_in_the_image(box: Corners, size: Size) -> None:
    clipped = clip_corners(box, size)
    if clipped is None:
        return
    pixels = voc_pixels(clipped, size)
    assert 1 <= pixels[0] <= pixels[2] <= size.width
    assert 1 <= pixels[1] <= pixels[3] <= size.height
    assert corners_from_voc(*pixels) == pytest.approx(clipped, abs=1.0)
    if min(clipped[2] - clipped[0], clipped[3] - clipped[1]) > 1:
        assert corners_from_voc(*pixels) == pytest.approx(clipped, abs=0.5)

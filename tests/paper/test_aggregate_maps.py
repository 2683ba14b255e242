"""Values of maps inside boxes."""

from __future__ import annotations

from typing import get_args

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.paper.aggregate_maps import Aggregate, aggregate, sums_and_areas


@settings(max_examples=50)
@given(st.data())
def test_sums_in_boxes_that_end_inside_cells(data: st.DataObject) -> None:
    """Compare with cells divided into 4 × 4 pixels, on which integer boxes are exact."""
    rows, cols = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    values = data.draw(hnp.arrays(np.float32, (2, rows, cols), elements=st.sampled_from([0, 1, 2, 5])))
    ends = data.draw(hnp.arrays(np.int64, (3, 2, 2), elements=st.integers(0, 24)))
    low, high = ends.min(axis=1), ends.max(axis=1)
    boxes = np.concatenate([low, high], axis=1).astype(np.float64)
    inside, areas = sums_and_areas(values, Lattice(Size(4 * cols, 4 * rows), rows, cols), boxes)
    pixels = values.repeat(4, axis=1).repeat(4, axis=2) / 16
    for place, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        cut = pixels[:, y1:y2, x1:x2]
        np.testing.assert_allclose(inside[:, place], cut.sum(axis=(1, 2)), atol=1e-5)
        np.testing.assert_allclose(areas[place], cut[0].size / 16, atol=1e-9)


@settings(max_examples=50)
@given(st.data())
def test_the_maximum_is_that_of_all_cells_that_a_box_touches(data: st.DataObject) -> None:
    rows, cols = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    values = data.draw(hnp.arrays(np.float32, (2, rows, cols), elements=st.integers(-9, 9)))
    low = data.draw(hnp.arrays(np.int64, (3, 2), elements=st.integers(0, 16)))
    boxes = np.concatenate([low, low + data.draw(st.integers(1, 8))], axis=1).astype(np.float64)
    found = aggregate(values, Lattice(Size(4 * cols, 4 * rows), rows, cols), boxes, "max")
    pixels = values.repeat(4, axis=1).repeat(4, axis=2)
    for place, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        cut = pixels[:, y1:y2, x1:x2]
        if cut.size:  # a box beyond the image has the value of the nearest cell
            np.testing.assert_array_equal(found[:, place], cut.max(axis=(1, 2)))


@pytest.mark.parametrize(
    ("how", "expected"), [("sum", 0.5), ("mean", 0.5), ("sum_over_side", 0.5), ("max", 2)]
)
def test_a_box_smaller_than_a_cell_counts_as_one_cell(how: Aggregate, expected: float) -> None:
    values = np.full((1, 3, 3), 2, np.float32)
    found = aggregate(values, Lattice(Size(24, 24), 3, 3), np.array([[8.0, 8, 12, 12]]), how)
    assert found[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("how", get_args(Aggregate))
def test_without_boxes_or_maps_there_is_nothing(how: Aggregate) -> None:
    lattice = Lattice(Size(24, 24), 3, 3)
    assert aggregate(np.ones((2, 3, 3), np.float32), lattice, np.zeros((0, 4)), how).shape == (2, 0)
    assert aggregate(np.ones((0, 3, 3), np.float32), lattice, np.array([[0.0, 0, 9, 9]]), how).shape == (0, 1)

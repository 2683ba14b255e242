"""The pixels of a class in a box."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from freeloc._typing import BoolArray
from freeloc.writers.box_masks import mask_in_box


@given(
    npst.arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30))),
    st.tuples(*[st.floats(-5, 35)] * 4),
)
def test_the_pixels_in_a_box_are_those_with_their_centers_in_it(
    mask: BoolArray, edges: tuple[float, float, float, float]
) -> None:
    x1, x2 = sorted(edges[:2])
    y1, y2 = sorted(edges[2:])
    rows, cols = np.indices(mask.shape) + 0.5
    inside = (cols >= x1) & (cols < x2) & (rows >= y1) & (rows < y2)
    assert np.array_equal(mask_in_box(mask, (x1, y1, x2, y2)), mask & inside)

"""Boxes of COCO instances files."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.coco.instances_file import corners_from_coco

SIDES = st.floats(0, 5000, allow_nan=False)


@given(SIDES, SIDES, SIDES, SIDES)
def test_boxes_round_trip(x: float, y: float, width: float, height: float) -> None:
    x1, y1, x2, y2 = corners_from_coco(x, y, width, height)
    assert (x1, y1) == (x, y)
    np.testing.assert_allclose((x2 - x1, y2 - y1), (width, height), rtol=0, atol=1e-9)

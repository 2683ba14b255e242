"""Hypothesis strategies for sizes, scales, layouts, grids and boxes."""

from __future__ import annotations

from typing import get_args

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from freeloc._literals import Padding, Resize
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.geometry.size import Size

law = settings(max_examples=80)

PADDED = CellLayout(stride=32, offset=31.5)
ALEXNET = CellLayout(stride=32, offset=112.0, window=224)
LAYOUTS = (PADDED, ALEXNET, CellLayout(32, 23.0), CellLayout(16, 8.0), CellLayout(14, 7.0))

sides = st.integers(1, 6000) | st.sampled_from((1, 2, 31, 32, 500, 6000))
sizes = st.builds(Size, sides, sides)
scales = st.floats(0.1, 4) | st.sampled_from(TEST_SCALES)
layouts = st.sampled_from(LAYOUTS)
paddings = st.sampled_from(get_args(Padding))
resizes = st.sampled_from(get_args(Resize))
grids = st.builds(
    lambda size, scale, layout, padding, resize: Pyramid((scale,), padding, resize).grid(size, scale, layout),
    *(sizes, scales, layouts, paddings, resizes),
)

corners = st.integers(0, 12)


@st.composite
def box_lists(draw: st.DrawFn, most: int = 12) -> np.ndarray:
    count = draw(st.integers(0, most))
    ends = draw(hnp.arrays(np.int64, (count, 2, 2), elements=corners))
    low, high = ends.min(axis=1), ends.max(axis=1)
    return np.concatenate([low, high], axis=1).astype(np.float64)

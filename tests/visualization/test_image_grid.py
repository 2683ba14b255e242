"""Grids: all images are complete, on background."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freeloc.visualization import draw_grid


@given(
    sizes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=9),
    columns=st.integers(1, 5),
    gap=st.integers(0, 9),
)
def test_a_grid_holds_every_picture_whole(sizes: list[tuple[int, int]], columns: int, gap: int) -> None:
    pictures = [Image.new("RGB", size, (index + 1, 0, 0)) for index, size in enumerate(sizes)]
    page = np.asarray(draw_grid(pictures, columns, gap=gap, background=(0, 0, 255)))
    for index, (width, height) in enumerate(sizes):
        rows, cols = np.nonzero((page == (index + 1, 0, 0)).all(axis=2))
        assert len(rows) == width * height
        assert (int(np.ptp(cols)) + 1, int(np.ptp(rows)) + 1) == (width, height)
    assert (page == (0, 0, 255)).all(axis=2).sum() + sum(w * h for w, h in sizes) == page.shape[
        0
    ] * page.shape[1]


def test_a_grid_needs_pictures_and_columns() -> None:
    with pytest.raises(ValueError, match="at least one"):
        draw_grid([], 2)
    with pytest.raises(ValueError, match="at least one"):
        draw_grid([Image.new("RGB", (1, 1))], 0)

"""Sizes and lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.size import REFERENCE_SIDE, Size, normalized_length
from tests.geometry.strategies import law, sizes


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (-3, 5)])
def test_a_size_has_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        Size(*size)


@law
@given(sizes, st.floats(0, 100))
def test_normalised_lengths_scale_with_the_longest_side(size: Size, pixels: float) -> None:
    # 18 pixels of the paper's 500-pixel image are 18·longest/500 of the original.
    assert normalized_length(size, pixels) * REFERENCE_SIDE == pytest.approx(pixels * size.longest)

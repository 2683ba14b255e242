"""Overlap of boxes."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from freeloc.geometry.iou import pairwise_iou
from tests.geometry.strategies import box_lists


def pixels(box: np.ndarray) -> set[tuple[int, int]]:
    x1, y1, x2, y2 = box.astype(int)
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


@given(box_lists(), box_lists())
def test_overlap_is_that_of_sets_of_pixels(first: np.ndarray, second: np.ndarray) -> None:
    found = pairwise_iou(first, second)
    assert found.shape == (len(first), len(second))
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            union = pixels(one) | pixels(other)
            expected = len(pixels(one) & pixels(other)) / len(union) if union else 0.0
            assert found[i, j] == expected

"""Edges of boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from freeloc.geometry.box import MAX_EDGE, are_in_range, check_edges

BEYOND = (math.nan, math.inf, -math.inf, 1e308, -1e308, 2 * MAX_EDGE)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("edge", BEYOND)
def test_edges_that_no_image_has(place: int, edge: float) -> None:
    corners = [-5.0, 0.0, 100.5, MAX_EDGE]
    assert are_in_range((corners[0], corners[1], corners[2], corners[3]))
    check_edges(np.array([corners]))
    corners[place] = edge
    assert not are_in_range((corners[0], corners[1], corners[2], corners[3]))
    with pytest.raises(ValueError, match=r"edges from -1e\+09 to 1e\+09"):
        check_edges(np.array([[0, 0, 1, 1], corners]))


@pytest.mark.parametrize("corners", [(2, 0, 1, 1), (0, 2, 1, 1)])
def test_a_box_that_ends_before_it_starts(corners: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="x1 ≤ x2 and y1 ≤ y2"):
        check_edges(np.array([corners], np.float64))


def test_no_boxes() -> None:
    check_edges(np.zeros((0, 4)))

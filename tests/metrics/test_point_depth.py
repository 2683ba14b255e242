"""Depth of points in boxes, compared with a slow computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.size import Size
from freeloc.metrics import GroundTruth, point_depths


def truth(
    rows: list[tuple[int, int, tuple[float, float, float, float]]], crowd: list[bool] | None = None
) -> GroundTruth:
    flags = np.zeros(len(rows), np.bool_)
    return GroundTruth(
        np.array([row[0] for row in rows], np.intp),
        np.array([row[1] for row in rows], np.intp),
        np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        flags,
        flags if crowd is None else np.array(crowd),
        2,
    )


SIZES = [Size(100, 80), Size(100, 80)]


def test_middle_edge_and_outside() -> None:
    points = np.zeros((2, 3, 2))
    points[0] = [(30, 20), (10, 20), (5, 5)]
    boxes = truth([(0, label, (10, 10, 50, 30)) for label in range(3)])
    depths = point_depths(points, SIZES, boxes)
    assert depths[0].tolist() == [1.0, 0.0, 0.0]
    assert np.isnan(depths[1]).all()


def test_the_deepest_box_counts_and_crowds_do_not() -> None:
    points = np.full((2, 1, 2), 20.0)
    rows = [
        (0, 0, (0.0, 0.0, 100.0, 80.0)),
        (0, 0, (10.0, 10.0, 30.0, 30.0)),
        (1, 0, (10.0, 10.0, 30.0, 30.0)),
    ]
    depths = point_depths(points, SIZES, truth(rows, [False, False, True]))
    assert depths[0, 0] == 1.0
    assert np.isnan(depths[1, 0])


corners = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 49), st.integers(1, 29))


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), corners), max_size=6),
    st.integers(0, 99),
    st.integers(0, 79),
)
def test_against_a_loop(rows: list[tuple[int, int, tuple[int, int, int, int]]], x: int, y: int) -> None:
    boxes = [(i, k, (float(a), float(b), float(a + w), float(b + h))) for i, k, (a, b, w, h) in rows]
    depths = point_depths(np.full((2, 2, 2), (x, y)), SIZES, truth(boxes))
    for image in range(2):
        for label in range(2):
            own = [box for i, k, box in boxes if (i, k) == (image, label)]
            found = [
                max(0.0, min(x - x1, x2 - x, y - y1, y2 - y)) / (min(x2 - x1, y2 - y1) / 2)
                for x1, y1, x2, y2 in own
            ]
            assert (
                depths[image, label] == pytest.approx(max(found)) if found else np.isnan(depths[image, label])
            )

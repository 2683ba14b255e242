"""Tests of the center baseline."""

from __future__ import annotations

from freeloc.geometry.size import Size
from freeloc.metrics.center_baseline import center_points


def test_center_points() -> None:
    points = center_points([Size(3, 2), Size(500, 375)], 2)
    assert points.tolist() == [[[1.5, 1.0]] * 2, [[250.0, 187.5]] * 2]
    assert center_points([], 4).shape == (0, 4, 2)

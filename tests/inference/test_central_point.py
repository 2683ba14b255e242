"""Central points, on regions whose middle is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.central_point import central_position
from freeloc.inference.decision import DecisionRule
from freeloc.inference.fusion import localize, locate
from freeloc.inference.score_map import ScoreMap


def test_a_plateau_has_its_point_in_the_middle() -> None:
    values = np.full((30, 40), 0.1, np.float32)
    values[5:16, 10:35] = 0.8
    values[6, 11] = 0.9  # the most telling place, in a corner
    row, col = central_position(values, (6, 11))
    assert row == 10
    assert 14 <= col <= 30


def test_the_border_of_the_map_is_a_border_of_the_region() -> None:
    values = np.ones((11, 11), np.float32)
    assert central_position(values, (0, 0)) == (5, 5)


def test_other_regions_do_not_matter() -> None:
    values = np.zeros((20, 40), np.float32)
    values[2:7, 2:7] = 0.9
    values[8:19, 12:39] = 0.89
    assert central_position(values, (3, 3)) == (4, 4)


@given(st.integers(0, 2**31), st.integers(3, 20), st.integers(3, 20))
def test_the_region_is_that_of_the_peak(seed: int, rows: int, cols: int) -> None:
    values = np.random.default_rng(seed).uniform(0, 1, (rows, cols)).astype(np.float32)
    peak = np.unravel_index(values.argmax(), values.shape)
    row, col = central_position(values, (int(peak[0]), int(peak[1])))
    assert values[row, col] >= 0.8 * values.max()


def scored(heights: tuple[float, float]) -> list[ScoreMap]:
    """Maps of two classes at one scale: a wide region that is highest at its left end."""
    grid = Pyramid((1.0,)).grids(Size(500, 400), CellLayout(16, 8.0))[0]
    values = np.full((2, grid.valid_rows, grid.valid_cols), -6, np.float32)
    for label, height in enumerate(heights):
        values[label, 8:15, 8:26] = height - 0.02
        values[label, 11, 9] = height
    return [ScoreMap.of(values, grid)]


def test_points_of_likely_classes_move_and_those_of_others_do_not() -> None:
    maps = scored((1.0, -5.5))
    salient, central = (localize(maps, ("cat", "dog"), point=point) for point in ("salient", "central"))
    assert central.probabilities[1] < 0.01
    assert salient["cat"].x == pytest.approx(9.5 * 16, abs=10)
    assert 8 * 16 + 40 < central["cat"].x < 26 * 16 - 40  # as far from the left border as from the upper one
    assert central["cat"].y == pytest.approx(11.5 * 16, abs=10)
    assert (central["dog"].x, central["dog"].y) == (salient["dog"].x, salient["dog"].y)
    row, col = central.lattice.nearest(central["cat"].x, central["cat"].y)
    assert central["cat"].response == central.maps[0, row, col]
    assert (central.peaks("cat")[0].x, central.peaks("cat")[0].y) == (central["cat"].x, central["cat"].y)


def test_locate_agrees_with_localize() -> None:
    maps = scored((1.0, 0.5))
    located = locate(maps, "fused", "central")
    whole = localize(maps, ("cat", "dog"), point="central")
    np.testing.assert_array_equal(located.points, whole.points)
    np.testing.assert_array_equal(located.responses, whole.responses)
    paper = localize(maps, ("cat", "dog"), mode="paper", point="central")
    np.testing.assert_array_equal(paper.points, locate(maps, "paper").points)
    assert (whole.point, paper.point) == ("central", "salient")


def test_nothing_is_likely() -> None:
    maps = scored((-8.0, -9.0))
    result = localize(maps, ("cat", "dog"), point="central", decision=DecisionRule())
    np.testing.assert_array_equal(result.points, localize(maps, ("cat", "dog")).points)

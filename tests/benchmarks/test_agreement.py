"""What "within one cell" means."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.agreement import as_high, within_cell, within_winning_cell
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import localize
from freeloc.inference.result import Localization
from freeloc.inference.score_map import ScoreMap

LAYOUT = CellLayout(32, 16.0)
PHOTO = Size(1000, 500)  # twice the size of scale 1


@pytest.fixture
def maps() -> list[ScoreMap]:
    generator = np.random.default_rng(4)
    grids = Pyramid((1.0, 2.0)).grids(PHOTO, LAYOUT)
    return [
        ScoreMap.of(generator.random((2, grid.valid_rows, grid.valid_cols), dtype=np.float32), grid)
        for grid in grids
    ]


def moved(result: Localization, x: float, y: float) -> Localization:
    return replace(result, points=result.points + np.array([x, y]))


@pytest.mark.parametrize(("scale", "side"), [(1.0, 64.0), (2.0, 32.0)])
def test_a_cell_of_a_scale_in_image_pixels(maps: list[ScoreMap], scale: float, side: float) -> None:
    result = localize(maps, ("a", "b"))
    assert within_cell(result, result, LAYOUT, scale).all()
    assert within_cell(moved(result, side, -side), result, LAYOUT, scale).all()
    assert not within_cell(moved(result, side + 1, 0), result, LAYOUT, scale).any()
    assert not within_cell(moved(result, 0, -side - 1), result, LAYOUT, scale).any()


def test_the_winning_scales_cell_counts(maps: list[ScoreMap]) -> None:
    coarse, fine = maps
    coarse.values[0, 1, 1] = 2  # class 0 is found at scale 1, class 1 at scale 2
    fine.values[1, 3, 3] = 2
    maps = [ScoreMap.of(scale_map.values, scale_map.grid) for scale_map in maps]
    result = localize(maps, ("a", "b"), mode="paper")
    assert within_winning_cell(moved(result, 33, 0), result, maps).tolist() == [True, False]
    assert within_winning_cell(moved(result, 0, 32), result, maps).tolist() == [True, True]
    assert within_winning_cell(moved(result, 65, 0), result, maps).tolist() == [False, False]


def test_places_that_are_nearly_as_high_are_ties(maps: list[ScoreMap]) -> None:
    result = localize(maps, ("a", "b"))
    assert as_high(result, result).all()
    raised = result.maps.copy()
    raised[0, 2, 3] = 0.991 * raised[0].max()
    raised[1, 2, 3] = 0.989 * raised[1].max()
    expected = replace(result, maps=raised)
    there = result.lattice.to_image([[2, 3], [2, 3]])
    assert as_high(replace(result, points=there), expected).tolist() == [True, False]

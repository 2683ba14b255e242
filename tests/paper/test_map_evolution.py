"""Which snapshots are written and shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc._literals import Padding
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import ScoreMap
from freeloc.paper.map_evolution import frames_of, highest_absent, select_by_change, snapshot_iterations


@pytest.mark.parametrize("total", [0, 1, 2, 7, 40, 2000, 41_392])
def test_snapshots_are_dense_at_the_beginning(total: int) -> None:
    steps = snapshot_iterations(total)
    assert (steps[0], steps[-1]) == (0, total)
    assert list(steps) == sorted(set(steps))
    assert len(steps) <= 11
    if total >= 200:
        assert len(steps) == 11
        assert steps[1] == total // 200
        gaps = np.diff(steps[1:])
        assert (np.diff(gaps) >= 0).all()
        assert sum(step <= total / 10 for step in steps) >= 6


def maps(*levels: float) -> list[list[np.ndarray]]:
    """Two maps of different shapes per snapshot, all of whose scores have the given value."""
    return [[np.full((2, 3), level, np.float32), np.full((4, 1), level, np.float32)] for level in levels]


def test_between_the_chosen_snapshots_maps_change_by_the_same_amount() -> None:
    # Nothing happens until the fourth snapshot, then most of the change within two.
    assert select_by_change(maps(0, 0, 0, 0, 4, 8, 9, 10, 12), 4) == [0, 4, 5, 8]
    # Maps that grow evenly are shown at even distances.
    assert select_by_change(maps(*range(9)), 5) == [0, 2, 4, 6, 8]
    # What falls counts as well, but only above 0, where it is visible.
    assert select_by_change(maps(-90, -50, 0, 6, 3, 0, -50), 3) == [0, 3, 6]
    assert select_by_change(maps(-9, -8, -3, -2, -1), 3) == [0, 2, 4]
    assert select_by_change(maps(1, 1, 1, 1), 3) == [0, 1, 3]
    assert select_by_change(maps(1, 2), 3) == [0, 1]


def test_an_object_that_is_found_outweighs_random_scores_everywhere() -> None:
    noise = np.abs(np.random.default_rng(0).normal(0, 0.1, (8, 20, 30))).astype(np.float32)
    noise[5:] = 0
    noise[5:, 10, 10] = (4, 9, 12)
    assert select_by_change([[values] for values in noise], 4) == [0, 5, 6, 7]


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=12), st.integers(2, 6))
def test_chosen_snapshots_are_in_order_with_both_ends(levels: list[float], count: int) -> None:
    chosen = select_by_change(maps(*levels), count)
    assert len(chosen) == min(count, len(levels))
    assert (chosen[0], chosen[-1]) == (0, len(levels) - 1)
    assert chosen == sorted(set(chosen))


@pytest.mark.parametrize("padding", ["stride", "paper"])
def test_maps_lie_on_the_image_even_if_the_padding_is_pooled(padding: Padding) -> None:
    """Scores are the x coordinate of each cell, so that they show where the map lies."""
    layout = CellLayout(stride=32, offset=16.0)
    grid = Pyramid((1.0,), padding).grid(Size(500, 250), 1.0, layout)
    xs = np.array([grid.to_image((0, col))[0] for col in range(grid.valid_cols)], np.float32)
    values = np.tile(xs, (2, grid.valid_rows, 1))
    values[1] = 0
    values[0, -1] += 1000  # the last row is in the padding, if that is pooled
    (frame,) = frames_of([7], [ScoreMap.of(values, grid)], 0, 1)
    assert frame.iteration == 7
    height, width = frame.score_map.shape
    assert width / height == pytest.approx(2, rel=0.05)
    middle = frame.score_map[height // 2]
    expected = (np.arange(width) + 0.5) * 500 / width
    np.testing.assert_allclose(middle[4:-4], expected[4:-4], atol=2)
    if padding == "paper":
        assert frame.score_map.max() < 510
    assert frame.score == values[0].max()
    assert frame.absent_window is not None


def test_the_absent_class_with_the_highest_score() -> None:
    scores = np.array([3.0, -2.0, -1.0], np.float32)
    assert highest_absent(scores, np.array([False, True, True])) == 2
    assert highest_absent(scores, np.zeros(3, bool)) is None

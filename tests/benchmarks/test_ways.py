"""Ways of looking at an image: they agree with fixed sets of scales at their ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.subject import Subject, open_subject
from benchmarks.ways import (
    NOWHERE,
    Found,
    Regions,
    Scales,
    early_stop,
    find,
    region,
    region_pixels,
    single_stop,
)
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import fusion_lattice

COARSE, FINE = (0.5,), (0.7, 1.0)
WAYS = (
    Scales(COARSE),
    Scales(COARSE + FINE),
    Regions(COARSE, FINE, threshold=0.0, near=0.0),
    Regions(COARSE, FINE, threshold=1.1, near=0.0),
    Regions(COARSE, FINE, threshold=0.0, near=0.95),
)


@pytest.fixture(scope="module")
def subject(tiny_coco: Path, tiny_run: Path) -> Subject:
    return open_subject(tiny_coco, tiny_run, split=None, scales=COARSE + FINE, precision="float32")


@pytest.fixture(scope="module")
def found(subject: Subject) -> list[Found]:
    return find(subject, subject.dataset.samples, WAYS, "scenes")


def test_regions_that_hold_everything_are_whole_scales(found: list[Found]) -> None:
    _, whole, everywhere, *_ = found
    np.testing.assert_allclose(whole.pixels, 1)
    for key in ("pixels", "scores", "points"):
        np.testing.assert_allclose(getattr(everywhere, key), getattr(whole, key), rtol=1e-5, err_msg=key)


def test_regions_that_hold_nothing_are_the_coarse_scales(found: list[Found]) -> None:
    coarse, _, _, nowhere, _ = found
    for key in ("pixels", "scores", "points"):
        np.testing.assert_allclose(getattr(nowhere, key), getattr(coarse, key), rtol=1e-5, err_msg=key)


def test_regions_cost_between_both(found: list[Found]) -> None:
    coarse, whole, _, _, regions = found
    assert (coarse.pixels < regions.pixels).all()
    assert (regions.pixels <= whole.pixels).all()


@given(
    st.builds(Size, st.integers(40, 900), st.integers(40, 900)),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([CellLayout(32, 23.0), CellLayout(32, 112.0, 224)]),
    st.data(),
)
def test_a_region_holds_what_is_wanted(
    image: Size, scale: float, layout: CellLayout, data: st.DataObject
) -> None:
    grid = Pyramid((scale,)).grid(image, scale, layout)
    lattice = fusion_lattice(image)
    wanted = np.zeros((lattice.rows, lattice.cols), np.bool_)
    assert region(grid, wanted) == NOWHERE
    assert region_pixels(grid, NOWHERE) == 0
    row, col = data.draw(st.integers(0, lattice.rows - 1)), data.draw(st.integers(0, lattice.cols - 1))
    wanted[row, col] = True
    box = region(grid, wanted)
    for part, place, count in zip(
        box,
        grid.to_cells((lattice.xs[col], lattice.ys[row])),
        (grid.valid_rows, grid.valid_cols),
        strict=True,
    ):
        assert 0 <= part.start <= place <= part.stop - 1 < count
    assert 0 < region_pixels(grid, box) <= grid.canvas.width * grid.canvas.height
    wanted[:] = True
    assert region(grid, wanted) == (slice(0, grid.valid_rows), slice(0, grid.valid_cols))


def test_early_stop_goes_from_one_way_to_the_other(found: list[Found]) -> None:
    first, second = found[:2]
    least = np.abs(first.scores).min(axis=1)
    for margin, expected in ((0.0, first), (np.inf, second)):
        stopped, on = early_stop(first, second, margin)
        assert on.all() == (expected is second)
        for key in ("pixels", "scores", "points"):
            np.testing.assert_array_equal(getattr(stopped, key), getattr(expected, key), err_msg=key)
    margin = float(np.median(least))
    stopped, on = early_stop(first, second, margin, shift=np.arange(first.scores.shape[1]))
    np.testing.assert_array_equal(on, least < margin)
    np.testing.assert_array_equal(stopped.points[on], second.points[on])
    np.testing.assert_allclose(
        stopped.scores[~on], first.scores[~on] + np.arange(first.scores.shape[1]), rtol=1e-6
    )


def test_a_single_class_goes_on_alone(found: list[Found]) -> None:
    first, second = found[:2]
    margin = -float(np.median(first.scores))
    stopped, on = single_stop(first, second, margin)
    np.testing.assert_array_equal(on, first.scores > -margin)
    for key in ("scores", "points"):
        np.testing.assert_array_equal(getattr(stopped, key)[on], getattr(second, key)[on], err_msg=key)
        np.testing.assert_array_equal(getattr(stopped, key)[~on], getattr(first, key)[~on], err_msg=key)
    share = on.mean(axis=1)
    np.testing.assert_allclose(stopped.pixels, share * second.pixels + (1 - share) * first.pixels)

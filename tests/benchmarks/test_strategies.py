"""Strategies agree with fixed sets of scales in their limits; metrics and frontier line are correct."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.strategies import (
    METRICS,
    NO_REGION,
    BootstrapMetrics,
    FixedScales,
    FrontierLine,
    Outcome,
    RefinedRegions,
    apply_strategies,
    early_exit,
    region,
    region_pixels,
    single_class_exit,
)
from benchmarks.workload import Evaluator, Workload, open_workload
from freeloc.datasets import Dataset
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import fusion_lattice

COARSE, FINE = (0.5,), (0.7, 1.0)
STRATEGIES = (
    FixedScales(COARSE),
    FixedScales(COARSE + FINE),
    RefinedRegions(COARSE, FINE, threshold=0.0, relative=0.0),
    RefinedRegions(COARSE, FINE, threshold=1.1, relative=0.0),
    RefinedRegions(COARSE, FINE, threshold=0.0, relative=0.95),
)


@pytest.fixture(scope="module")
def workload(tiny_coco: Path, tiny_run: Path) -> Workload:
    return open_workload(tiny_coco, tiny_run, split=None, scales=COARSE + FINE, precision="float32")


@pytest.fixture(scope="module")
def outcomes(workload: Workload) -> list[Outcome]:
    return apply_strategies(workload, workload.dataset, STRATEGIES, "scenes")


def test_regions_that_contain_everything_equal_whole_scales(outcomes: list[Outcome]) -> None:
    _, whole, everywhere, *_ = outcomes
    np.testing.assert_allclose(whole.pixels, 1)
    for key in ("pixels", "scores", "points"):
        np.testing.assert_allclose(getattr(everywhere, key), getattr(whole, key), rtol=1e-5, err_msg=key)


def test_empty_regions_equal_the_coarse_scales(outcomes: list[Outcome]) -> None:
    coarse, _, _, nowhere, _ = outcomes
    for key in ("pixels", "scores", "points"):
        np.testing.assert_allclose(getattr(nowhere, key), getattr(coarse, key), rtol=1e-5, err_msg=key)


def test_the_cost_of_regions_lies_in_between(outcomes: list[Outcome]) -> None:
    coarse, whole, _, _, regions = outcomes
    assert (coarse.pixels < regions.pixels).all()
    assert (regions.pixels <= whole.pixels).all()


@given(
    st.builds(Size, st.integers(40, 900), st.integers(40, 900)),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([CellLayout(32, 23.0), CellLayout(32, 112.0, 224)]),
    st.data(),
)
def test_a_region_contains_the_selected_positions(
    image: Size, scale: float, layout: CellLayout, data: st.DataObject
) -> None:
    grid = Pyramid((scale,)).grid(image, scale, layout)
    lattice = fusion_lattice(image)
    selected = np.zeros((lattice.rows, lattice.cols), np.bool_)
    assert region(grid, selected) == NO_REGION
    assert region_pixels(grid, NO_REGION) == 0
    row, col = data.draw(st.integers(0, lattice.rows - 1)), data.draw(st.integers(0, lattice.cols - 1))
    selected[row, col] = True
    cells = region(grid, selected)
    for part, position, count in zip(
        cells,
        grid.to_cells((lattice.xs[col], lattice.ys[row])),
        (grid.valid_rows, grid.valid_cols),
        strict=True,
    ):
        assert 0 <= part.start <= position <= part.stop - 1 < count
    assert 0 < region_pixels(grid, cells) <= grid.canvas.width * grid.canvas.height
    selected[:] = True
    assert region(grid, selected) == (slice(0, grid.valid_rows), slice(0, grid.valid_cols))


def test_early_exit_interpolates_between_two_strategies(outcomes: list[Outcome]) -> None:
    first, second = outcomes[:2]
    least = np.abs(first.scores).min(axis=1)
    for margin, expected in ((0.0, first), (np.inf, second)):
        outcome, continues = early_exit(first, second, margin)
        assert continues.all() == (expected is second)
        for key in ("pixels", "scores", "points"):
            np.testing.assert_array_equal(getattr(outcome, key), getattr(expected, key), err_msg=key)
    margin = float(np.median(least))
    outcome, continues = early_exit(first, second, margin, shift=np.arange(first.scores.shape[1]))
    np.testing.assert_array_equal(continues, least < margin)
    np.testing.assert_array_equal(outcome.points[continues], second.points[continues])
    np.testing.assert_allclose(
        outcome.scores[~continues], first.scores[~continues] + np.arange(first.scores.shape[1]), rtol=1e-6
    )


def test_each_class_continues_independently(outcomes: list[Outcome]) -> None:
    first, second = outcomes[:2]
    margin = -float(np.median(first.scores))
    outcome, continues = single_class_exit(first, second, margin)
    np.testing.assert_array_equal(continues, first.scores > -margin)
    for key in ("scores", "points"):
        np.testing.assert_array_equal(
            getattr(outcome, key)[continues], getattr(second, key)[continues], err_msg=key
        )
        np.testing.assert_array_equal(
            getattr(outcome, key)[~continues], getattr(first, key)[~continues], err_msg=key
        )
    fraction = continues.mean(axis=1)
    np.testing.assert_allclose(outcome.pixels, fraction * second.pixels + (1 - fraction) * first.pixels)


# --- metrics -------------------------------------------------------------------------------------------------


def test_metrics_of_the_original_images(tiny_scenes: Dataset) -> None:
    evaluator = Evaluator.of(tiny_scenes)
    annotations = evaluator.annotations
    generator = np.random.default_rng(0)
    scores = generator.normal(size=annotations.labels.shape).astype(np.float32)
    sides = np.array([(size.width, size.height) for size in annotations.sizes])
    points = generator.random((*scores.shape, 2)) * sides[:, None]
    values = BootstrapMetrics(annotations, resamples=3)(Outcome(np.ones(len(scores)), scores, points))
    assert values.shape == (len(METRICS), 4)
    expected = (
        evaluator.classification(scores),
        evaluator.location(points, scores),
        evaluator.pointing(points),
    )
    assert values[:, 0] == pytest.approx(expected)


def test_differences_from_the_frontier_line() -> None:
    low, dominated, high = (np.full((3, 5), value) for value in (60.0, 50.0, 80.0))
    line = FrontierLine([10, 15, 30], [low, dominated, high])
    assert line.above(10, low) == dict.fromkeys(METRICS, (0.0, 0.0))
    assert line.above(30, high) == dict.fromkeys(METRICS, (0.0, 0.0))
    assert line.above(25, np.full((3, 5), 77.0)) == dict.fromkeys(METRICS, (2.0, 0.0))
    assert line.above(90, low) == dict.fromkeys(METRICS, (-20.0, 0.0))
    resampled = np.array([[61.0, 60.0, 62.0, 60.0, 62.0]] * 3)
    assert line.above(10, resampled) == dict.fromkeys(METRICS, (1.0, 1.0))

"""Poolings against definitions written out cell by cell, and the torch ones against the NumPy ones."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import pooled_scores
from freeloc.inference.score_map import ScoreMap
from freeloc.nn.cell_pooling import average_pool, lse_pool, topk_cells, topk_pool
from freeloc.nn.full_image import full_image_scores
from freeloc.nn.head import AdaptationHead, HeadSettings
from freeloc.nn.pooling import (
    LSE_SHARPNESS,
    TOPK_SHARE,
    TOPK_WEIGHT,
    Pooling,
    TrainingPooling,
    pool_maps,
    test_pooling,
    top_k_count,
)

maps = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)),
    elements=st.floats(-60, 60, width=32),
)


def by_hand(cells: list[float], pooling: str) -> float:
    if pooling == "max":
        return max(cells)
    if pooling == "average":
        return sum(cells) / len(cells)
    if pooling == "lse":
        top = max(cells)
        return (
            top
            + math.log(sum(math.exp(LSE_SHARPNESS * (c - top)) for c in cells) / len(cells)) / LSE_SHARPNESS
        )
    count = max(1, round(TOPK_SHARE * len(cells)))
    ordered = sorted(cells)
    return sum(ordered[-count:]) / count + TOPK_WEIGHT * sum(ordered[:count]) / count


@given(maps, st.sampled_from(get_args(Pooling)))
def test_a_map_is_pooled_as_the_definition_says(values: np.ndarray, pooling: Pooling) -> None:
    expected = [by_hand(part.ravel().tolist(), pooling) for part in values]
    np.testing.assert_allclose(pool_maps(values, pooling), expected, rtol=1e-5, atol=1e-4)


@given(maps)
def test_log_sum_exp_lies_between_mean_and_maximum(values: np.ndarray) -> None:
    pooled = pool_maps(values, "lse")
    assert (pooled <= pool_maps(values, "max") + 1e-4).all()
    assert (pooled >= pool_maps(values, "average") - 1e-4).all()


@given(st.lists(maps.map(lambda m: m[:1].reshape(-1, 1)), min_size=1, max_size=3))
def test_training_pools_as_prediction_does(parts: list[np.ndarray]) -> None:
    cells, counts = torch.from_numpy(np.concatenate(parts)), [len(part) for part in parts]
    for pool, name in ((lse_pool, "lse"), (topk_pool, "topk"), (average_pool, "average")):
        expected = [pool_maps(part.reshape(1, -1, 1), name) for part in parts]
        np.testing.assert_allclose(pool(cells, counts).numpy(), np.stack(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("count", "picked"), [(1, 1), (4, 1), (10, 2), (187, 37)])
def test_a_fifth_of_the_cells_is_picked_and_at_least_one(count: int, picked: int) -> None:
    assert top_k_count(count) == picked


def test_scores_over_scales_are_the_mean_of_each_ones_pooling() -> None:
    rng = np.random.default_rng(0)
    grids = Pyramid((0.5, 1.0)).grids(Size(500, 300), CellLayout(32, 16.0))
    looked = [
        ScoreMap.of(rng.normal(0, 3, (3, grid.valid_rows, grid.valid_cols)).astype(np.float32), grid)
        for grid in grids
    ]
    for pooling in get_args(Pooling):
        expected = np.mean([pool_maps(part.values, pooling) for part in looked], axis=0)
        np.testing.assert_allclose(pooled_scores(looked, pooling), expected, rtol=1e-5)


@given(st.lists(maps.map(lambda m: m[:1].reshape(-1, 1)), min_size=1, max_size=3))
def test_the_cells_that_top_and_bottom_pooling_reads(parts: list[np.ndarray]) -> None:
    cells, counts = torch.from_numpy(np.concatenate(parts)), [len(part) for part in parts]
    start = 0
    for part, picked in zip(parts, topk_cells(cells, counts), strict=True):
        highest, lowest = picked.chunk(2)
        assert len(highest) == len(lowest) == top_k_count(len(part))
        ordered = sorted(part[:, 0].tolist())
        assert sorted(cells[highest[:, 0], 0].tolist()) == ordered[-len(highest) :]
        assert sorted(cells[lowest[:, 0], 0].tolist()) == ordered[: len(lowest)]
        for half in (highest, lowest):
            assert len(half.unique()) == len(half)
            assert ((half >= start) & (half < start + len(part))).all()
        start += len(part)


def test_full_images_are_scored_by_the_mean_of_their_features() -> None:
    torch.manual_seed(0)
    projection, head = (
        torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU()),
        AdaptationHead(HeadSettings(7, 3, 4)),
    )
    cells = torch.randn(9, 5)
    with torch.no_grad():
        found = full_image_scores(head, projection, cells, [2, 7])
        for scores, part in zip(found, (cells[:2], cells[2:]), strict=True):
            total = sum(projection(cell[None]) for cell in part)
            torch.testing.assert_close(scores, head(total / len(part))[0])
        # A head of one layer is linear: the mean of its maps is the same.
        linear = AdaptationHead(HeadSettings(7, 3, hidden=0))
        found = full_image_scores(linear, projection, cells, [9])[0]
        values = linear(projection(cells)).T.reshape(3, 3, 3).numpy()
    np.testing.assert_allclose(pool_maps(values, test_pooling("full")), found, rtol=1e-5, atol=1e-6)


def test_every_way_to_train_says_how_maps_are_pooled() -> None:
    read = {pooling: test_pooling(pooling) for pooling in get_args(TrainingPooling)}
    assert read == {**{pooling: pooling for pooling in get_args(Pooling)}, "full": "average"}

"""Every registered pooling: NumPy compared with torch, sparse with dense gradients, results with definitions."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from freeloc.nn.pooling.average import AveragePooling
from freeloc.nn.pooling.base import SparsePooling
from freeloc.nn.pooling.log_sum_exp import SHARPNESS
from freeloc.nn.pooling.max import MaxPooling
from freeloc.nn.pooling.registry import POOLINGS, get_pooling, prediction_pooling
from freeloc.nn.pooling.top_k import CELL_FRACTION, LOWEST_WEIGHT

EVERY = POOLINGS.names()
SPARSE = tuple(name for name in EVERY if isinstance(get_pooling(name), SparsePooling))

maps = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)),
    elements=st.floats(-60, 60, width=32),
)
cell_lists = st.lists(
    arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-60, 60, width=32)),
    min_size=1,
    max_size=4,
)


def by_definition(cells: list[float], name: str) -> float:
    if name == "max":
        return max(cells)
    if name in {"average", "full"}:
        return sum(cells) / len(cells)
    if name == "lse":
        top = max(cells)
        powers = [math.exp(SHARPNESS * (cell - top)) for cell in cells]
        return top + math.log(sum(powers) / len(cells)) / SHARPNESS
    assert name == "topk"
    count = max(1, round(CELL_FRACTION * len(cells)))
    ordered = sorted(cells)
    return sum(ordered[-count:]) / count + LOWEST_WEIGHT * sum(ordered[:count]) / count


@given(maps, st.sampled_from(("max", "lse", "topk", "average", "full")))
def test_maps_are_pooled_by_definition(values: np.ndarray, name: str) -> None:
    pooled = get_pooling(name).pool_maps(values)
    assert pooled.dtype == np.float32
    expected = [by_definition(part.ravel().tolist(), name) for part in values]
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", EVERY)
@given(cell_lists)
def test_torch_and_numpy_agree(name: str, parts: list[np.ndarray]) -> None:
    pooling = get_pooling(name)
    pooled = pooling.pool_cells(torch.from_numpy(np.concatenate(parts)), [len(part) for part in parts])
    expected = [pooling.pool_maps(part.T[:, :, None].copy()) for part in parts]
    np.testing.assert_allclose(pooled.numpy(), np.stack(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", EVERY)
@given(cell_lists, st.floats(-9, 9, width=32))
def test_bias_gain_is_the_gain_of_a_common_offset(name: str, parts: list[np.ndarray], offset: float) -> None:
    pooling = get_pooling(name)
    cells, counts = torch.from_numpy(np.concatenate(parts)).double(), [len(part) for part in parts]
    rise = pooling.pool_cells(cells + offset, counts) - pooling.pool_cells(cells, counts)
    torch.testing.assert_close(rise, torch.full_like(rise, pooling.bias_gain * offset), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in EVERY if get_pooling(name).is_mean])
@given(cell_lists)
def test_means_commute_with_linear_layers(name: str, parts: list[np.ndarray]) -> None:
    pooling = get_pooling(name)
    cells, counts = torch.from_numpy(np.concatenate(parts)).double(), [len(part) for part in parts]
    linear = torch.nn.Linear(3, 2).double()
    before, after = pooling.pool_cells(linear(cells), counts), linear(pooling.pool_cells(cells, counts))
    torch.testing.assert_close(before, after)


@pytest.mark.parametrize("name", SPARSE)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 999))
def test_the_sparse_gradient_equals_the_dense_one(name: str, counts: list[int], seed: int) -> None:
    pooling = get_pooling(name)
    assert isinstance(pooling, SparsePooling)
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randn(sum(counts), 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(len(counts), 3, generator=generator, dtype=torch.float64)
    dense = cells.clone().requires_grad_(True)
    pooled = pooling.pool_cells(dense, counts)
    (pooled * weights).sum().backward()

    sparse = cells.clone().requires_grad_(True)
    selected = pooling.select_cells(sparse.detach(), counts)
    start = 0
    for rows, count in zip(selected, counts, strict=True):
        assert rows.dtype == torch.int64
        assert ((rows >= start) & (rows < start + count)).all()
        start += count
    picked = pooling.pool_selected(sparse.gather(0, torch.cat(selected)), [len(rows) for rows in selected])
    (picked * weights).sum().backward()
    torch.testing.assert_close(picked, pooled)
    torch.testing.assert_close(sparse.grad, dense.grad)


def test_importing_and_pooling_maps_load_no_torch() -> None:
    code = (
        "import sys, numpy as np; from freeloc.nn.pooling.registry import POOLINGS, get_pooling\n"
        "for name in POOLINGS.names(): get_pooling(name).pool_maps(np.ones((2, 3, 4), np.float32))\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_prediction_pools_maps_as_training_did() -> None:
    expected = {"max": "max", "lse": "lse", "topk": "topk", "average": "average", "full": "average"}
    assert {name: prediction_pooling(name) for name in expected} == expected
    assert all(prediction_pooling(name) in EVERY for name in EVERY)


@given(st.integers(0, 9999), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_lists_of_cells_are_pooled_image_by_image(seed: int, counts: list[int]) -> None:
    scores = torch.randn(sum(counts), 3, generator=torch.Generator().manual_seed(seed))
    means = AveragePooling().pool_cells(scores, counts)
    winners = torch.cat(MaxPooling().select_cells(scores, counts))
    assert means.shape == winners.shape == (len(counts), 3)
    for n, k in np.ndindex(len(counts), 3):
        start = sum(counts[:n])
        cells = [float(value) for value in scores[start : start + counts[n], k]]
        assert float(means[n, k]) == pytest.approx(math.fsum(cells) / len(cells), abs=1e-5)
        assert start <= int(winners[n, k]) < start + counts[n]
        assert float(scores[winners[n, k], k]) == max(cells)

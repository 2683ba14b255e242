"""The lattice of an image."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from tests.geometry.strategies import law, sizes


@law
@given(sizes, st.floats(0.5, 600))
def test_steps_are_about_as_asked(size: Size, step: float) -> None:
    lattice = Lattice.with_spacing(size, step)
    pixels = step * max(size.width, size.height) / 500
    for side, count in ((size.width, lattice.cols), (size.height, lattice.rows)):
        assert count >= 1
        # Rounding to an integer number of steps changes a step by at most a factor of 1.5, except for thin
        # strips.
        assert count == 1 or 2 / 3 <= (side / count) / pixels <= 2


@law
@given(sizes, st.integers(1, 70), st.integers(1, 70))
def test_positions_are_the_middles_of_equal_parts(size: Size, rows: int, cols: int) -> None:
    lattice = Lattice(size, rows, cols)
    edges_x, edges_y = np.linspace(0, size.width, cols + 1), np.linspace(0, size.height, rows + 1)
    np.testing.assert_allclose(lattice.xs, (edges_x[:-1] + edges_x[1:]) / 2, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(lattice.ys, (edges_y[:-1] + edges_y[1:]) / 2, rtol=1e-9, atol=1e-9)
    cells = np.array(list(itertools.product(range(rows), range(cols))))
    points = lattice.to_image(cells)
    np.testing.assert_allclose(points, np.stack((lattice.xs[cells[:, 1]], lattice.ys[cells[:, 0]]), -1))


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_upsampling_agrees_with_torch(height: int, width: int, rows: int, cols: int, seed: int) -> None:
    lattice = Lattice(Size(width, height), rows, cols)
    values = np.random.default_rng(seed).normal(size=(rows, cols)).astype(np.float32)
    weights_y, weights_x = lattice.upsampling_weights()
    assert weights_y.dtype == weights_x.dtype == np.float32
    wanted = functional.interpolate(
        torch.from_numpy(values)[None, None], (height, width), mode="bilinear", align_corners=False
    )
    # Torch computes positions in float32, hence the tolerance.
    np.testing.assert_allclose(weights_y @ values @ weights_x.T, wanted[0, 0].numpy(), atol=2e-4)

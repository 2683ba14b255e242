"""Sizes and positions in a graph, compared with freeloc.geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import fusion_lattice
from freeloc.posttraining.export.axis import ImageAxis
from freeloc.posttraining.export.graph import Graph, Value

LAYOUTS = (CellLayout(32, 23.0), CellLayout(16, 8.5), CellLayout(32, 112.0, 224), CellLayout(36, 110.5, 221))

sides = st.integers(1, 3000) | st.integers(1, 60_000)


def axes(size: Size) -> tuple[ImageAxis, ImageAxis]:
    """The vertical and the horizontal axis of an image of constant size."""
    graph = Graph("g")
    height, width = (graph.constant(np.int64(side)) for side in (size.height, size.width))
    longest = height.or_larger(width)
    return ImageAxis.of(height, longest), ImageAxis.of(width, longest)


def known(value: Value) -> Any:
    assert value.constant is not None
    return value.constant


@given(
    size=st.builds(Size, sides, sides),
    scale=st.sampled_from(TEST_SCALES) | st.floats(0.02, 4),
    padding=st.sampled_from(["stride", "square", "paper"]),
    resize=st.sampled_from(["once", "paper"]),
    layout=st.sampled_from(LAYOUTS),
)
def test_sizes_are_those_of_the_grid(
    size: Size, scale: float, padding: Any, resize: Any, layout: CellLayout
) -> None:
    pyramid = Pyramid((scale,), padding, resize)
    grid = pyramid.grid(size, scale, layout)
    down, across = (axis.at_scale(pyramid, scale, layout) for axis in axes(size))
    expected = {
        "content": (grid.content.height, grid.content.width),
        "canvas": (grid.canvas.height, grid.canvas.width),
        "valid": (grid.valid_rows, grid.valid_cols),
    }
    for name, lengths in expected.items():
        assert (known(getattr(down, name)), known(getattr(across, name))) == lengths, name
    if grid.intermediate is None:
        assert down.intermediate is across.intermediate is None
    else:
        lengths = tuple(known(axis.lengths[0]) for axis in (down, across))
        assert lengths == (grid.intermediate.height, grid.intermediate.width)


@given(size=st.builds(Size, sides, sides))
def test_the_lattice_is_that_of_freeloc(size: Size) -> None:
    lattice, (down, across) = fusion_lattice(size), axes(size)
    assert (known(down.lattice), known(across.lattice)) == (lattice.rows, lattice.cols)
    np.testing.assert_allclose(known(across.lattice_positions()), lattice.xs, rtol=1e-6)
    np.testing.assert_allclose(known(down.lattice_positions()), lattice.ys, rtol=1e-6)


@pytest.mark.parametrize("size", [Size(500, 375), Size(333, 500), Size(1, 700), Size(1511, 1011)], ids=str)
@pytest.mark.parametrize("scale", [0.5, 1.4])
def test_maps_are_sampled_like_those_of_the_grid(size: Size, scale: float) -> None:
    pyramid = Pyramid((scale,))
    rows, cols = pyramid.grid(size, scale, LAYOUTS[0]).sampling_weights(fusion_lattice(size))
    down, across = (axis.at_scale(pyramid, scale, LAYOUTS[0]) for axis in axes(size))
    np.testing.assert_allclose(known(down.sampling_weights()), rows, atol=4e-6)
    np.testing.assert_allclose(known(across.sampling_weights()), cols, atol=4e-6)

"""Rounded quotients in a graph, compared with Python's in both runtimes, where rounding errors decide."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import fusion_lattice
from freeloc.posttraining.export.axis import ImageAxis
from freeloc.posttraining.export.graph import Graph
from freeloc.posttraining.export.rounding import rounded_share
from tests.posttraining.export.runtimes import RUNTIMES, runner

SIZES = (
    *(Size(4608, 2592), Size(4000, 3000), Size(2592, 4608), Size(1152, 648), Size(576, 360), Size(500, 325)),
    *(Size(550, 66), Size(84, 27), Size(16_384, 3), Size(60_001, 59_999), Size(1, 1), Size(500, 375)),
)
"""Sizes of photos, and others; at some scale, half of them have a side of half a pixel more than a whole number."""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sizes_and_lattices_are_those_of_python(runtime: str) -> None:
    scales, layout = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8), CellLayout(32, 16.0)
    pyramid = Pyramid(scales)
    graph = Graph("sizes")
    size = graph.add_input("size", np.int64, [2])
    height, width = (size.take(graph.constant(np.int64(index)), 0) for index in (0, 1))
    longest = height.or_larger(width)
    axes = [ImageAxis.of(side, longest) for side in (height, width)]
    contents = [axis.at_scale(pyramid, scale, layout).content for scale in scales for axis in axes]
    numbers = graph.vector(*contents, *(axis.lattice for axis in axes))
    run = runner(graph.finish([("numbers", numbers, [2 * len(scales) + 2])]), runtime)
    for each in SIZES:
        grids, lattice = pyramid.grids(each, layout), fusion_lattice(each)
        expected = [side for grid in grids for side in (grid.content.height, grid.content.width)]
        (found,) = run({"size": np.array([each.height, each.width])})
        assert found.tolist() == [*expected, lattice.rows, lattice.cols], each


def test_halves_are_rounded_like_the_formula() -> None:
    def formula(lengths: Any, longest: Any, _parts: Fraction) -> Any:
        return 7 * lengths / longest - 1e-9 * (longest == 70)

    graph = Graph("halves")
    for longest in (14, 70):
        for length in range(1, longest + 1):
            sides = [graph.constant(np.int64(side)) for side in (length, longest)]
            found = rounded_share(sides[0], sides[1], Fraction(7), formula).constant
            exact = Fraction(7 * length, longest) - (Fraction(1, 10**9) if longest == 70 else 0)
            assert found == round(exact)

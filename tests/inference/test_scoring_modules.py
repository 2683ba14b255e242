"""The scoring modules in the runtime, compared with equivalent NumPy code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import localize
from freeloc.inference.score_map import ScoreMap, align_sigmoid, fusion_lattice
from freeloc.inference.scoring_modules import ScoringModule
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.conv1x1 import Conv1x1
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import AppendedModule, Runtime, compile_network

LAYOUT = CellLayout(32, 23.0)


def new_search(seed: int) -> ScoringModule:
    torch.manual_seed(seed)
    head = AdaptationHead(HeadSettings(width=6, classes=3, hidden=4))
    nn.init.normal_(head.fcb.weight, std=3.0)
    return ScoringModule(Conv1x1(5, 6, ceiling=6), head.eval())


class TestAgainstNumPy:
    @settings(max_examples=30)
    @given(
        st.builds(Size, st.integers(20, 900), st.integers(20, 900)),
        st.floats(0.1, 2.8),
        st.sampled_from(("stride", "square")),
        st.integers(0, 99),
    )
    def test_maxima_and_softened_maps_are_those_of_the_raw_map(
        self, size: Size, scale: float, padding: str, seed: int
    ) -> None:
        grid = Pyramid((scale,), padding).grid(size, scale, LAYOUT)  # type: ignore[arg-type]
        lattice = fusion_lattice(size)
        search = new_search(seed)
        features = torch.randn(1, 5, grid.rows, grid.cols)
        # Padding has high scores, so a maximum over all cells would be detected.
        features[:, :, grid.valid_rows :] *= 100
        features[:, :, :, grid.valid_cols :] *= 100
        with torch.no_grad():
            values, maxima, aligned = (
                output[0].numpy()
                for output in search(
                    features,
                    torch.from_numpy(grid.padding_mask()),
                    torch.from_numpy(grid.sampling_field(lattice)),
                )
            )
        valid = values[:, : grid.valid_rows, : grid.valid_cols]
        np.testing.assert_array_equal(maxima, valid.max(axis=(1, 2)))
        np.testing.assert_allclose(aligned, align_sigmoid(valid, grid, lattice), atol=2e-5)

    def test_localize_gives_the_same_from_either(self) -> None:
        size, search = Size(333, 500), new_search(0)
        lattice = fusion_lattice(size)
        ready, raw = [], []
        for grid in Pyramid((0.5, 1.0, 2.0)).grids(size, LAYOUT):
            with torch.no_grad():
                values, maxima, aligned = search(
                    torch.randn(1, 5, grid.rows, grid.cols),
                    torch.from_numpy(grid.padding_mask()),
                    torch.from_numpy(grid.sampling_field(lattice)),
                )
            valid = values[0, :, : grid.valid_rows, : grid.valid_cols].numpy()
            ready.append(ScoreMap(valid, grid, maxima[0].numpy(), aligned[0].numpy()))
            raw.append(ScoreMap.of(valid, grid))
        one, other = localize(ready, ("a", "b", "c")), localize(raw, ("a", "b", "c"))
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_allclose(one.maps, other.maps, atol=1e-5)
        np.testing.assert_allclose(one.points, other.points)
        # A different raster is sampled from the raw maps.
        coarse = localize(ready, ("a", "b", "c"), step=60.0)
        np.testing.assert_array_equal(coarse.maps, localize(raw, ("a", "b", "c"), step=60.0).maps)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["torch", "openvino"])
def test_the_compiled_search_gives_the_same(who: Runtime) -> None:
    backbone = load_backbone("efficientnet_lite0")
    torch.manual_seed(0)
    head = AdaptationHead(HeadSettings(backbone.width, 4, hidden=32)).eval()
    nn.init.normal_(head.fcb.weight, std=0.5)
    network = compile_network(
        backbone,
        AppendedModule(ScoringModule(backbone.projection, head), extra_input_dims=(2, 3)),
        runtime=who,
    )
    size = Size(200, 150)
    lattice = fusion_lattice(size)
    canvas_values = np.random.default_rng(0)
    for grid in Pyramid((0.3, 0.5)).grids(size, backbone.layout):
        canvas = canvas_values.integers(0, 256, (grid.canvas.height, grid.canvas.width, 3), np.uint8)
        values, maxima, aligned = network.run(canvas, grid.padding_mask(), grid.sampling_field(lattice))
        valid = values[:, : grid.valid_rows, : grid.valid_cols]
        slack = 1e-5 if network.precision == "float32" else 1e-2
        np.testing.assert_allclose(maxima, valid.max(axis=(1, 2)), rtol=slack, atol=slack)
        np.testing.assert_allclose(aligned, align_sigmoid(valid, grid, lattice), atol=slack)

"""Canvases from which features are computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from freeloc.features.compute import feature_canvases
from freeloc.geometry.pyramid import Pyramid
from tests.features.world import World


def test_canvases_have_the_order_of_the_scales(world: World) -> None:
    made = list(feature_canvases(world.paths[0], world.backbone, Pyramid((1.0, 0.3))))
    assert [grid.scale for grid, _ in made] == [1.0, 0.3]
    for grid, canvas in made:
        assert canvas.shape == (grid.canvas.height, grid.canvas.width, 3)
        # Padding has the backbone's color.
        assert (canvas[:, grid.content.width :] == world.backbone.pad_color).all()


def test_a_canvas_does_not_depend_on_the_other_scales(world: World, tmp_path: Path) -> None:
    """This also holds if a JPEG file is decoded at a reduced size."""
    rng = np.random.default_rng(1)
    path = tmp_path / "large.jpg"
    Image.fromarray(rng.integers(0, 256, (3000, 4000, 3), dtype=np.uint8)).save(path)
    scales = (0.3, 1.0, 1.6, 2.2)
    together = {
        grid.scale: canvas for grid, canvas in feature_canvases(path, world.backbone, Pyramid(scales))
    }
    assert tuple(together) == scales
    for scale in scales:
        ((_grid, alone),) = feature_canvases(path, world.backbone, Pyramid((scale,)))
        np.testing.assert_array_equal(together[scale], alone)

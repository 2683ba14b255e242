"""A small result for the tests of all writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import localize
from freeloc.inference.result import Localization
from freeloc.inference.score_map import ScoreMap


@pytest.fixture(scope="session")
def tiny_result() -> Localization:
    """The result of an image of 90×60 pixels: four classes, two of them present."""
    rng = np.random.default_rng(3)
    grids = Pyramid((0.5, 1.0)).grids(Size(90, 60), CellLayout(stride=32, offset=16.0))
    maps = [
        ScoreMap.of(rng.normal(0, 2, (4, grid.valid_rows, grid.valid_cols)).astype(np.float32), grid)
        for grid in grids
    ]
    return localize(maps, ("cat", "собака", "a chair", "boat"), path=Path("album/street.jpg"))

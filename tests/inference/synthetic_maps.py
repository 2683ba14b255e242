"""Score maps with known contents, and strategies for images and scales."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import ScoreMap

__all__ = [
    "CLASSES",
    "LAYOUTS",
    "PADDED",
    "blob",
    "cell_positions",
    "fractions",
    "law",
    "random_maps",
    "scale_sets",
    "sizes",
]

law = settings(max_examples=40)

PADDED = CellLayout(stride=32, offset=31.5)
LAYOUTS = (PADDED, CellLayout(32, 112.0, 224), CellLayout(32, 23.0), CellLayout(16, 8.0))
CLASSES = ("cat", "dog", "bus")

sides = st.integers(1, 6000) | st.sampled_from((1, 375, 500, 6000))
sizes = st.builds(Size, sides, sides)
scale_sets = st.lists(st.floats(0.1, 2), min_size=1, max_size=4).map(tuple) | st.just(TEST_SCALES)
fractions = st.floats(0, 1)


def random_maps(seed: int, size: Size, scales: tuple[float, ...], layout: CellLayout) -> list[ScoreMap]:
    rng = np.random.default_rng(seed)
    return [
        ScoreMap.of(rng.normal(0, 3, (3, grid.valid_rows, grid.valid_cols)).astype(np.float32), grid)
        for grid in Pyramid(scales).grids(size, layout)
    ]


def cell_positions(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return x of the valid columns and y of the valid rows, clipped to the image, from first principles."""
    stride, offset = grid.layout.stride, grid.layout.offset
    x = (offset + stride * np.arange(grid.valid_cols)) * grid.image_size.width / grid.content.width
    y = (offset + stride * np.arange(grid.valid_rows)) * grid.image_size.height / grid.content.height
    return np.minimum(x, grid.image_size.width), np.minimum(y, grid.image_size.height)


def blob(grid: Grid, at: tuple[float, float]) -> ScoreMap:
    """A map that decreases with the distance of each cell from a point in the image."""
    x, y = cell_positions(grid)
    distance = np.hypot(x[None] - at[0], y[:, None] - at[1])
    unit = grid.image_size.longest / 500 * 25
    return ScoreMap.of((2 - distance / unit).astype(np.float32)[None], grid)

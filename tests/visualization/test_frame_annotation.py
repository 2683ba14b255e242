"""What is drawn on frames, compared with where the result says that it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import localize
from freeloc.inference.result import Localization
from freeloc.inference.score_map import ScoreMap
from freeloc.visualization.frame_annotation import FrameAnnotation
from freeloc.visualization.palette import POINT, PREDICTED_BOX

SIZE = Size(400, 300)


@pytest.fixture(scope="module")
def result() -> Localization:
    """One present class with a point in the upper left, and one absent class."""
    (grid,) = Pyramid((1.0,)).grids(SIZE, CellLayout(stride=32, offset=16.0))
    maps = np.full((2, grid.valid_rows, grid.valid_cols), -3, np.float32)
    maps[0, 2:4, 2:4] = 4
    return localize([ScoreMap.of(maps, grid)], ("cat", "dog"))


def colored(image: Image.Image, color: tuple[int, int, int]) -> np.ndarray:
    """Return the (N, 2) x and y of the pixels of a color."""
    ys, xs = np.nonzero((np.abs(np.asarray(image, int) - color) < 12).all(axis=2))
    return np.stack((xs, ys), axis=1)


@pytest.mark.parametrize("size", [(400, 300), (800, 600), (200, 150), (401, 299)])
def test_the_point_is_marked_at_its_position(result: Localization, size: tuple[int, int]) -> None:
    """On frames of any size."""
    blank = Image.new("RGB", size, (0, 0, 60))
    drawn = FrameAnnotation(result, threshold=0.5).draw(blank)
    assert blank.getcolors() == [(size[0] * size[1], (0, 0, 60))], "the frame itself is unchanged"
    assert drawn.size == size
    point = result["cat"]
    scale_x, scale_y = size[0] / SIZE.width, size[1] / SIZE.height
    assert colored(drawn, POINT).mean(axis=0) == pytest.approx(
        (point.x * scale_x, point.y * scale_y), abs=1.5
    )


def test_boxes_are_outlined(result: Localization) -> None:
    (box,) = result.boxes("cat", count=1)
    drawn = FrameAnnotation(result, threshold=0.5, boxes=1).draw(Image.new("RGB", (400, 300)))
    found = colored(drawn, PREDICTED_BOX)
    assert [*found.min(axis=0), *(found.max(axis=0) + 1)] == pytest.approx(
        [box.x1, box.y1, box.x2, box.y2], abs=1
    )


def test_nothing_present_nothing_drawn(result: Localization) -> None:
    blank = Image.new("RGB", (400, 300))
    assert FrameAnnotation(result, threshold=1.0, peaks=3, boxes=3).draw(blank).tobytes() == blank.tobytes()


def test_tiny_frames_and_damaged_maps(result: Localization) -> None:
    """Names are left out where there is no space; a damaged model's maps are left out, too."""
    drawn = FrameAnnotation(result, threshold=0.0, peaks=3, boxes=3).draw(Image.new("RGB", (20, 15)))
    assert drawn.size == (20, 15)
    broken = dataclasses.replace(result, maps=np.full_like(result.maps, np.nan))
    FrameAnnotation(broken, threshold=0.0, peaks=3, boxes=3).draw(Image.new("RGB", (400, 300)))

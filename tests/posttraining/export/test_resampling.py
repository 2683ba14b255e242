"""Resizing in a graph, compared with Pillow bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freeloc._typing import Uint8Array
from freeloc.images.canvas import REDUCING_GAP
from freeloc.posttraining.export.graph import Graph
from freeloc.posttraining.export.resampling import resize
from tests.posttraining.export.runtimes import RUNTIMES, runner


@pytest.fixture(scope="module", params=RUNTIMES)
def resized(request: pytest.FixtureRequest) -> Callable[[Mapping[str, Any]], list[Any]]:
    """A function that resizes an image to a height and width."""
    graph = Graph("resize")
    image = graph.add_input("image", np.uint8, ["height", "width", 3])
    target = graph.add_input("target", np.int64, [2])
    rows, cols = (target.take(graph.constant(np.int64(index)), 0) for index in (0, 1))
    result = resize(image, (image.length(0), image.length(1)), (rows, cols))
    return runner(graph.finish([("resized", result, ["rows", "cols", 3])]), request.param)


def check(resized: Any, image: Uint8Array, rows: int, cols: int) -> None:
    (found,) = resized({"image": image, "target": np.array([rows, cols])})
    picture = Image.fromarray(image)
    expected = picture.resize((cols, rows), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    np.testing.assert_array_equal(found, np.asarray(expected))


@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    target=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_small_images(resized: Any, size: tuple[int, int], target: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    check(resized, image, *target)


@pytest.mark.parametrize(
    ("size", "target"),
    [
        ((375, 500), (1050, 1400)),  # many exact halves
        ((333, 500), (166, 250)),
        ((1511, 1011), (250, 167)),  # reduced by 2 first
        ((901, 1203), (25, 33)),  # reduced by 12
        ((749, 1000), (66, 88)),  # reduced by 3, which leaves a fraction that float32 rounds
        ((40, 9001), (1, 225)),  # blocks of 13 × 13 pixels
        ((800, 20), (30, 1)),  # blocks of 48 pixels
        ((1300, 1500), (20, 23)),  # blocks of more than 256 pixels
        ((700, 31), (90, 5)),  # reduced along one axis
        ((40, 30), (40, 30)),  # unchanged
    ],
    ids=str,
)
def test_sizes_of_photos(resized: Any, size: tuple[int, int], target: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    check(resized, noise, *target)
    check(resized, np.full((*size, 3), 255, np.uint8), *target)

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
from freeloc.posttraining.export.resampling import _weights, resize
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


def pillow_weights(length: int, factor: int, target: int) -> list[dict[int, int]]:
    """What Pillow computes of a reduced axis in double precision: the weights by the indices of the pixels."""
    side = float(np.float32(length / factor))
    reach = max(1.0, side / target)
    found = []
    for center in (np.arange(target) + 0.5) * (side / target):
        first, end = max(0, int(center - reach + 0.5)), min(-(-length // factor), int(center + reach + 0.5))
        heights = [max(0.0, 1 - abs(index + 0.5 - center) / reach) for index in range(first, end)]
        weights = [int(0.5 + height / sum(heights) * 2**22) for height in heights]
        found.append({first + index: weight for index, weight in enumerate(weights) if weight})
    return found


@pytest.mark.parametrize(
    ("length", "factor", "target"),
    [(2020, 3, 180), (4000, 3, 350), (2998, 3, 262), (501, 1, 700), (61, 1, 9)],
)
def test_weights_are_those_of_pillow(length: int, factor: int, target: int) -> None:
    """Those of the outermost pixels are so small that few images show them."""
    graph = Graph("weights")
    digits, indices = _weights(*(graph.constant(np.int64(value)) for value in (length, factor, target)))
    assert digits.constant is not None
    assert indices.constant is not None
    expected = pillow_weights(length, factor, target)
    for row, (upper, lower), weights in zip(indices.constant, digits.constant, expected, strict=True):
        pairs = zip(row.tolist(), (upper * 2048 + lower).tolist(), strict=True)
        assert {index: weight for index, weight in pairs if weight} == weights


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

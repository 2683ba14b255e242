"""The scales of a single image, one after the other or several at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from freeloc._typing import Float32Array
from freeloc.errors import ImageError
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.early_exit import EarlyExit
from freeloc.inference.localizer import Localizer
from freeloc.inference.multiscale import ScaleInput, run_scales, scale_streams
from freeloc.runtime.protocol import Canvas
from tests.inference.sample_inputs import assert_same, noise

LAYOUT = CellLayout(stride=32, offset=16.0)
GRIDS = Pyramid((0.5, 2.0, 1.0)).grids(Size(width=64, height=48), LAYOUT)


class Scores:
    """A network that returns the mean color of every cell, and records how many threads call it at once."""

    runtime = "openvino"
    precision = "float32"
    threads = 2
    batch = 1

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self.areas: list[int] = []
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()

    def __call__(self, canvas: Canvas) -> Float32Array:
        return self.run(canvas)[0]

    def run(self, canvas: Canvas, *extra_inputs: Float32Array) -> tuple[Float32Array, ...]:
        with self._lock:
            self.areas.append(canvas.shape[0] * canvas.shape[1])
            self._running += 1
            self.most = max(self.most, self._running)
        time.sleep(0.05)
        rows, cols = canvas.shape[0] // 32, canvas.shape[1] // 32
        cells = canvas.reshape(rows, 32, cols, 32, 3).mean(axis=(1, 3)).transpose(2, 0, 1).astype(np.float32)
        with self._lock:
            self._running -= 1
        return cells, cells.max(axis=(1, 2)), np.zeros((3, 99, 99), np.float32)

    def run_many(
        self, canvases: Sequence[Canvas], extra_inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        raise NotImplementedError


def make_input(grid: Grid) -> ScaleInput:
    generator = np.random.default_rng(int(10 * grid.scale))
    return ScaleInput.of(
        grid, generator.integers(0, 256, (grid.canvas.height, grid.canvas.width, 3), np.uint8)
    )


@pytest.mark.parametrize(
    ("scales", "early_exit_after", "streams"),
    [
        (TEST_SCALES, None, 2),  # 7.84 of 15.5 million pixels, and the rest
        ((1.0, 1.0), None, 2),
        ((1.4,), None, 1),
        ((0.5, 1.0), None, 1),
        ((0.7, 1.4, 2.0), 2, 1),  # whether the third is needed is known only after the others
    ],
)
def test_two_streams_are_used_if_both_get_enough_to_do(
    scales: tuple[float, ...], early_exit_after: int | None, streams: int
) -> None:
    assert scale_streams(scales, EarlyExit(early_exit_after)) == streams


def test_the_scales_are_computed_at_the_same_time_the_largest_first() -> None:
    alone, together = Scores(1), Scores(2)
    wanted = run_scales(GRIDS, make_input, alone, EarlyExit(), alone=True)
    found = run_scales(GRIDS, make_input, together, EarlyExit(), alone=True)
    assert [part.grid for part in found] == [part.grid for part in wanted] == list(GRIDS)
    for part, same in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(part.values, same.values)
        np.testing.assert_array_equal(part.maxima, same.maxima)
    assert (alone.most, together.most) == (1, 2)
    assert alone.areas == [grid.canvas.width * grid.canvas.height for grid in GRIDS]
    assert together.areas[0] == max(alone.areas) or together.areas[1] == max(alone.areas)
    assert min(alone.areas) == together.areas[2]


def test_among_many_images_the_scales_of_each_follow_each_other() -> None:
    network = Scores(2)
    run_scales(GRIDS, make_input, network, EarlyExit())
    assert network.most == 1


@pytest.mark.parametrize("streams", [1, 2])
def test_an_error_at_one_scale_is_raised(streams: int) -> None:
    def fail(grid: Grid) -> ScaleInput:
        if grid.scale == 1.0:
            raise ImageError("photo.jpg: it cannot be resized")
        return make_input(grid)

    with pytest.raises(ImageError, match="it cannot be resized"):
        run_scales(GRIDS, fail, Scores(streams), EarlyExit(), alone=True)


def test_a_single_image_gets_the_result_that_it_gets_among_many(tiny_run: Path) -> None:
    localizer = Localizer.load(tiny_run, scales=(0.5, 1.0, 1.1), runtime="openvino", precision="float32")
    images = [noise(200, 150, 1), noise(90, 130, 2)]
    many = list(localizer.predict_many(images))
    assert localizer._latency_network.streams == 2
    for image, found in zip(images, many, strict=True):
        alone = localizer.predict(image)
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-5)
        np.testing.assert_allclose(alone.maps, found.maps, atol=1e-5)
        assert_same(localizer.predict(image), alone)
        (streamed,) = localizer.predict_many([image])
        assert_same(streamed, alone)

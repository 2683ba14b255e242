"""Canvases of images."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freeloc._literals import Padding
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.images.canvas import load_canvases, make_canvas, make_canvases
from freeloc.images.decode import load_image

BACKBONE = CellLayout(stride=32, offset=16.0)
ALEXNET = CellLayout(stride=32, offset=112.0, window=224)


def scene(width: int, height: int) -> np.ndarray:
    """A smooth image without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / max(width - 1, 1)
    green = 255 * y / max(height - 1, 1)
    blue = 255 * (x + y) / max(width + height - 2, 1)
    return np.stack((red, green, 255 - blue), axis=-1).astype(np.uint8)


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    scale=st.sampled_from([0.5, 0.7, 1.0]),
    layout=st.sampled_from([BACKBONE, ALEXNET]),
    padding=st.sampled_from(get_args(Padding)),
)
@settings(max_examples=60)
def test_canvas_is_the_image_then_padding(
    width: int, height: int, scale: float, layout: CellLayout, padding: Padding
) -> None:
    image = scene(width, height) // 2
    grid = Pyramid((scale,), padding).grid(Size(width, height), scale, layout)
    canvas = make_canvas(image, grid, (200, 201, 202))
    assert canvas.shape == (grid.canvas.height, grid.canvas.width, 3)
    assert canvas.dtype == np.uint8
    rows, cols = min(grid.content.height, grid.canvas.height), min(grid.content.width, grid.canvas.width)
    assert (canvas[rows:] == (200, 201, 202)).all()
    assert (canvas[:, cols:] == (200, 201, 202)).all()
    assert (canvas[:rows, :cols] <= 128).all()
    expected = Image.fromarray(image).resize(
        (grid.content.width, grid.content.height), Image.Resampling.BILINEAR
    )
    assert np.array_equal(canvas[:rows, :cols], np.asarray(expected)[:rows, :cols])


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("padding", get_args(Padding))
def test_the_papers_order_resizes_a_copy_of_500_pixels(scale: float, padding: Padding) -> None:
    image = scene(1001, 670)  # 500×335 pixels at scale 1
    grid = Pyramid((scale,), padding, "paper").grid(Size(1001, 670), scale, ALEXNET)
    canvas = make_canvas(image, grid, (200, 201, 202))
    width, height = round(500 * scale), round(335 * scale)
    copy = Image.fromarray(image).resize((500, 335), Image.Resampling.BILINEAR)
    expected = np.asarray(copy.resize((width, height), Image.Resampling.BILINEAR))
    rows, cols = min(height, canvas.shape[0]), min(width, canvas.shape[1])
    assert np.array_equal(canvas[:rows, :cols], expected[:rows, :cols])
    assert (canvas[rows:] == (200, 201, 202)).all()
    once = make_canvas(
        image, Pyramid((scale,), padding).grid(Size(1001, 670), scale, ALEXNET), (200, 201, 202)
    )
    assert np.array_equal(once, canvas) == (scale == 1)


def test_the_papers_order_removes_detail_that_a_copy_of_500_pixels_lacks() -> None:
    stripes = np.zeros((1000, 1000, 3), np.uint8)
    stripes[:, ::2] = 255
    contrasts = {}
    for pyramid in (Pyramid((2.0,)), Pyramid((2.0,), resize="paper")):
        grid = pyramid.grid(Size(1000, 1000), 2.0, BACKBONE)
        contrasts[pyramid.resize] = make_canvas(stripes, grid, (0, 0, 0))[:1000, 100:900].std()
    assert contrasts["once"] > 100
    assert contrasts["paper"] < 5


def test_shrinking_is_antialiased() -> None:
    image = Size(4000, 3000)
    stripes = np.zeros((3000, 4000, 3), np.uint8)
    stripes[:, ::2] = 255
    grid = Pyramid((0.5,)).grid(image, 0.5, BACKBONE)
    content = make_canvas(stripes, grid, (0, 0, 0))[: grid.content.height, : grid.content.width]
    assert np.abs(content.astype(int) - 127).max() <= 2


def test_large_images_stay_close_to_plain_bilinear() -> None:
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8))
    large = coarse.resize((2400, 1800), Image.Resampling.BICUBIC)
    grid = Pyramid((0.5,)).grid(Size(2400, 1800), 0.5, BACKBONE)
    content = make_canvas(large, grid, (0, 0, 0))[: grid.content.height, : grid.content.width]
    plain = np.asarray(large.resize((grid.content.width, grid.content.height), Image.Resampling.BILINEAR))
    assert np.abs(content.astype(int) - plain.astype(int)).mean() < 0.5


def test_several_canvases_equal_single_ones() -> None:
    image = scene(320, 200)
    grids = Pyramid().grids(Size(320, 200), BACKBONE)
    together = make_canvases(image, grids, (1, 2, 3))
    assert len(together) == len(grids)
    for canvas, grid in zip(together, grids, strict=True):
        assert np.array_equal(canvas, make_canvas(Image.fromarray(image), grid, (1, 2, 3)))


def test_images_that_do_not_match_the_grid_are_refused() -> None:
    grid = Pyramid().grid(Size(40, 30), 1.0, BACKBONE)
    for wrong in (scene(30, 40), scene(40, 30)[..., 0], scene(40, 30).astype(float)):
        with pytest.raises(ValueError, match=r"image"):
            make_canvas(wrong, grid, (0, 0, 0))
    with pytest.raises(ValueError, match="mode RGB"):
        make_canvas(Image.new("L", (40, 30)), grid, (0, 0, 0))


class TestLoadCanvases:
    def test_one_canvas_per_scale(self) -> None:
        image = scene(320, 200)
        pyramid = Pyramid()
        canvases = list(load_canvases(image, pyramid, BACKBONE, (1, 2, 3)))
        grids = pyramid.grids(Size(320, 200), BACKBONE)
        assert [grid for grid, _ in canvases] == list(grids)
        for (_, canvas), expected in zip(canvases, make_canvases(image, grids, (1, 2, 3)), strict=True):
            assert np.array_equal(canvas, expected)

    @pytest.mark.parametrize("orientation", [1, 6])
    def test_a_large_jpeg_gives_nearly_the_canvas_of_a_full_decode(
        self, tmp_path: Path, orientation: int
    ) -> None:
        rng = np.random.default_rng(0)
        # Detail of every size, as in real images.
        layers = [rng.normal(0, 18, (1500 // n + 1, 2000 // n + 1, 3)) for n in (2, 8, 32, 128)]
        sizes = [
            np.stack([np.kron(layer[..., c], np.ones((n, n)))[:1500, :2000] for c in range(3)], axis=-1)
            for layer, n in zip(layers, (2, 8, 32, 128), strict=True)
        ]
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / "large.jpg"
        image = Image.fromarray(np.clip(128 + sum(sizes), 0, 255).astype(np.uint8))
        image.save(path, exif=exif, quality=92)
        whole = load_image(path)
        pyramids = (
            (Pyramid((0.25,)), True),
            (Pyramid((1.1,)), False),
            (Pyramid((0.5,), resize="paper"), True),
        )
        for pyramid, reduced in pyramids:
            ((grid, canvas),) = load_canvases(path, pyramid, BACKBONE, (0, 0, 0))
            assert grid.image_size == Size(whole.shape[1], whole.shape[0])
            expected = make_canvas(whole, grid, (0, 0, 0))
            difference = np.abs(canvas.astype(int) - expected.astype(int))
            assert difference.mean() < 1
            assert difference.max() <= 12
            assert (difference.max() > 0) == reduced

    def test_bytes_have_the_canvases_of_their_file(self, tmp_path: Path) -> None:
        path = tmp_path / "large.jpg"
        Image.fromarray(scene(1600, 1000)).save(path, quality=92)
        pyramid = Pyramid((0.25, 0.5))
        expected = list(load_canvases(path, pyramid, BACKBONE, (1, 2, 3)))
        with path.open("rb") as file:
            for source in (path.read_bytes(), file):
                canvases = list(load_canvases(source, pyramid, BACKBONE, (1, 2, 3)))
                assert [grid for grid, _ in canvases] == [grid for grid, _ in expected]
                for (_, one), (_, other) in zip(canvases, expected, strict=True):
                    assert np.array_equal(one, other)

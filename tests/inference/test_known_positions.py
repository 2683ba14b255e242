"""Points of objects painted at known positions, through the whole pipeline from pixels to points."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from freeloc._typing import Float64Array
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.result import LocationMode
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings

OBJECT = 8
"""Side of the painted square, in pixels of the image at scale 1."""


class Brightness(Backbone):
    """A backbone in which cell (i, j) is the mean brightness of its 32×32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "brightness"
        self.layout = CellLayout(32, 16.0)
        self.channels = self.width = 1
        self.normalization = Normalization((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
        mean = nn.Conv2d(3, 1, 32, stride=32, bias=False)
        with torch.no_grad():
            mean.weight.fill_(1 / (3 * 32 * 32))
        self.body = nn.Sequential(mean)
        self.projection = nn.Identity()
        self.freeze()


@lru_cache(maxsize=32)
def looking(scales: tuple[float, ...], mode: LocationMode, square: bool) -> Localizer:
    backbone = Brightness()
    head = AdaptationHead(HeadSettings(1, 1, hidden=0))
    with torch.no_grad():
        head.fcb.weight.fill_(8.0)
        head.fcb.bias.fill_(-1.0)
    header = ModelHeader(
        backbone=backbone.name,
        backbone_fingerprint=backbone.fingerprint,
        classes=("bright",),
        head=head.settings,
        scales=scales,
        padding="square" if square else "stride",
    )
    options = LocalizerOptions(location=mode, runtime="torch", precision="float32")
    return Localizer.from_model(Model(header, head), backbone, options)


def painted(size: Size, across: float, down: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a dark image with a bright square, and the position of the square's center."""
    side = max(1, round(OBJECT * size.longest / 500))
    width, height = min(side, size.width), min(side, size.height)
    left, top = round(across * (size.width - width)), round(down * (size.height - height))
    image = np.zeros((size.height, size.width, 3), np.uint8)
    image[top : top + height, left : left + width] = 255
    return image, np.array([left + width / 2, top + height / 2])


def reach(grid: Grid, place: Float64Array) -> Float64Array:
    """Return the tolerance: half a cell in each direction, or more in the strip along a border without cells."""
    ratio = np.array(
        [grid.image_size.width / grid.content.width, grid.image_size.height / grid.content.height]
    )
    found = []
    for axis, count in enumerate((grid.valid_cols, grid.valid_rows)):
        centers = (16 + 32 * np.arange(count)) * ratio[axis]
        found.append(max(16 * ratio[axis], float(np.abs(centers - place[axis]).min())))
    # The edges of the resized square are smoothed over one or two canvas pixels.
    bounds: Float64Array = np.array(found) + 2 * ratio
    return bounds


def is_seen(grid: Grid, place: np.ndarray) -> bool:
    """Return whether the square begins before the last valid cell ends; a strip of up to half a cell is in no
    cell."""
    ratio = np.array(
        [grid.image_size.width / grid.content.width, grid.image_size.height / grid.content.height]
    )
    begins = place / ratio - OBJECT * grid.scale / 2
    return bool((begins < 32 * np.array([grid.valid_cols, grid.valid_rows])).all())


sizes = st.builds(Size, st.integers(125, 900), st.integers(125, 900)) | st.sampled_from(
    [Size(901, 31), Size(29, 733), Size(1999, 125), Size(500, 500), Size(333, 500), Size(1001, 667)]
)
shares = st.floats(0, 1)
law = settings(max_examples=60)


class TestOneScale:
    @law
    @given(sizes, shares, shares, st.sampled_from(TEST_SCALES), st.booleans())
    @example(Size(901, 31), 1.0, 1.0, 2.8, False)
    @example(Size(29, 733), 0.0, 1.0, 0.5, True)
    def test_the_papers_point_is_within_half_a_cell(
        self, size: Size, across: float, down: float, scale: float, square: bool
    ) -> None:
        image, place = painted(size, across, down)
        grid = Pyramid((scale,)).grid(size, scale, CellLayout(32, 16.0))
        assume(is_seen(grid, place))
        point = looking((scale,), "paper", square).predict(image).points[0]
        assert (np.abs(point - place) <= reach(grid, place)).all()

    def test_half_a_cell_is_no_wide_gate(self) -> None:
        # Positions over the whole image reveal a constant center or a mirrored axis.
        size = Size(641, 427)
        for across, down in ((0.2, 0.8), (0.9, 0.4)):
            _image, place = painted(size, across, down)
            grid = Pyramid((1.0,)).grid(size, 1.0, CellLayout(32, 16.0))
            for wrong in ((size.width / 2, size.height / 2), (size.width - place[0], place[1]), place[::-1]):
                assert (np.abs(wrong - place) > reach(grid, place)).any()


class TestAllScales:
    @law
    @given(sizes, shares, shares, st.sampled_from(("paper", "fused")))
    def test_the_point_is_within_half_a_cell_of_the_coarsest(
        self, size: Size, across: float, down: float, mode: LocationMode
    ) -> None:
        image, place = painted(size, across, down)
        point = looking(TEST_SCALES, mode, False).predict(image).points[0]
        grid = Pyramid((0.5,)).grid(size, 0.5, CellLayout(32, 16.0))
        lattice_step = 8 * size.longest / 500 if mode == "fused" else 0.0
        assert (np.abs(point - place) <= reach(grid, place) + lattice_step).all()

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_it_is_told_in_the_upright_image(self, orientation: int) -> None:
        image, place = painted(Size(431, 287), 0.8, 0.3)
        upright = Image.fromarray(image)
        # The pixels as stored by a camera, with the rotation of the orientation undone.
        undo = {
            2: Image.Transpose.FLIP_LEFT_RIGHT,
            3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE,
            6: Image.Transpose.ROTATE_90,
            7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270,
        }
        stored = upright.transpose(undo[orientation]) if orientation in undo else upright
        stored.getexif()[0x0112] = orientation
        result = looking(TEST_SCALES, "fused", False).predict(stored)
        assert (result.image_size.width, result.image_size.height) == (431, 287)
        grid = Pyramid((1.0,)).grid(result.image_size, 1.0, CellLayout(32, 16.0))
        assert (np.abs(result.points[0] - place) <= reach(grid, place)).all()

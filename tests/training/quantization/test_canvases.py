"""Which images and scales are used for quantization calibration."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.geometry.pyramid import TEST_SCALES
from freeloc.geometry.size import Size
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.training.quantization.canvases import CalibrationCanvases

NAMES = [f"{index}.jpg" for index in range(500)]


@pytest.fixture(scope="module")
def parts(reference: Path) -> tuple[ModelHeader, Backbone]:
    header = replace(Model.load(reference).header, scales=TEST_SCALES)
    return header, load_backbone("efficientnet_lite0")


def draw(
    parts: tuple[ModelHeader, Backbone], names: list[str], count: int, seed: int = 0
) -> CalibrationCanvases:
    return CalibrationCanvases.draw(names, count, *parts, seed, quiet=True)


def test_the_draw_depends_on_the_seed_alone(parts: tuple[ModelHeader, Backbone]) -> None:
    first, again, other = (draw(parts, NAMES[:50], 20, seed).canvases for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("images", "canvases"), [(1, 6), (20, 120), (32, 192), (50, 200), (192, 192), (500, 500)]
)
def test_all_scales_are_used_equally_often_and_the_first_canvases_represent_all(
    parts: tuple[ModelHeader, Backbone], images: int, canvases: int
) -> None:
    drawn = draw(parts, NAMES, images)
    assert len(drawn) == canvases
    assert len(set(drawn.canvases)) == canvases, "no canvas twice"
    scales = parts[0].scales
    assert len(scales) == 6
    # The rounding of weights reads the first 48.
    for part in (drawn, drawn.first(48, "rounding weights")):
        assert len({image for image, _ in part.canvases}) == min(images, len(part))
        counts = Counter(scale for _, scale in part.canvases)
        per_image = Counter(image for image, _ in part.canvases)
        assert max(per_image.values()) - min(per_image.values()) <= 1
        if images >= 6:
            assert set(counts) == set(scales)
            assert max(counts.values()) - min(counts.values()) <= -(-len(part) // images)


def test_canvases_are_those_of_prediction(parts: tuple[ModelHeader, Backbone], tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(image)
    drawn = CalibrationCanvases.draw([image], 1, *parts, 0, quiet=True)
    sizes = [canvas.shape[1::-1] for canvas in drawn]
    pyramid, layout = parts[0].pyramid, parts[1].layout
    assert sizes == [
        (grid.canvas.width, grid.canvas.height) for grid in pyramid.grids(Size(width=120, height=90), layout)
    ]

"""Crops and learning rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.images.decode import load_image
from freeloc.training.pretraining.crops import random_crop
from freeloc.training.pretraining.settings import PretrainingSettings
from freeloc.training.pretraining.trainer import learning_rate


def ramp(width: int, height: int) -> Image.Image:
    """An image whose red channel is the position along x, and whose green channel that along y."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack((x, y, 0 * x), axis=-1).astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(80, 80), (160, 80), (80, 200)])
def test_crops_are_squares_of_seven_eighths_of_the_shorter_side(width: int, height: int) -> None:
    random = np.random.default_rng(0)
    side = min(width, height) * 7 / 8
    lefts, mirrored = [], []
    for _ in range(200):
        crop = random_crop(ramp(width, height), 56, random).astype(float)
        assert crop.shape == (56, 56, 3)
        red, green = crop[:, :, 0].mean(axis=0), crop[:, :, 1].mean(axis=1)
        mirrored.append(red[0] > red[-1])
        red = red[::-1] if mirrored[-1] else red
        assert (red[-1] - red[0]) * width / 255 == pytest.approx(side * 55 / 56, abs=2.5)
        assert (green[-1] - green[0]) * height / 255 == pytest.approx(side * 55 / 56, abs=2.5)
        lefts.append(red[0] * width / 255)
    assert 70 < sum(mirrored) < 130
    assert min(lefts) < 0.2 * (width - side) + 1
    assert max(lefts) > 0.8 * (width - side) - 1


def test_a_crop_of_a_narrow_jpeg_is_not_enlarged(tmp_path: Path) -> None:
    """Its longest side alone would allow decoding at a quarter of its size, with fewer pixels than a crop has."""
    pixels = np.zeros((120, 1600, 3), np.uint8)
    pixels[:, ::4] = pixels[:, 1::4] = 255  # lines of two pixels
    path = tmp_path / "narrow.jpg"
    Image.fromarray(pixels).save(path, quality=95)
    crop = random_crop(path, 56, np.random.default_rng(0))
    whole = random_crop(load_image(path), 56, np.random.default_rng(0))
    np.testing.assert_array_equal(crop, whole)
    assert whole.std() > 20


def test_learning_rates() -> None:
    cosine = PretrainingSettings(learning_rate=0.4)
    assert [learning_rate(step, 4, cosine) for step in (0, 2)] == pytest.approx([0.4, 0.2])
    step = PretrainingSettings(learning_rate=0.4, schedule="step")
    found = [learning_rate(number, 9, step) for number in range(9)]
    assert found == pytest.approx([0.4] * 3 + [0.04] * 3 + [0.004] * 3)

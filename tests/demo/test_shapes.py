import numpy as np
import pytest

from freeloc.demo.backdrops import _KINDS, CLUTTER, _palette, draw_backdrop, draw_scrap
from freeloc.demo.drawing import Drawing, Inks, Pen, finish
from freeloc.demo.shapes import THINGS
from freeloc.geometry.size import Size

LIGHT = (-0.6, -0.8)


def draw(drawing: Drawing, seed: int, side: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pen = Pen(side)
    drawing(pen, rng, Inks.draw(rng))
    sprite = finish(pen, LIGHT, 0.0)
    return np.concatenate((sprite.colour, sprite.alpha[None]))


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_fills_its_frame_and_never_looks_the_same_twice(name: str) -> None:
    pictures = [draw(THINGS[name][0], seed, 120) for seed in range(12)]
    for picture in pictures:
        height, width = picture.shape[1:]
        assert 0.8 * 120 <= max(height, width) <= 1.05 * 120
        assert (picture[3] >= 0.5).mean() > 0.15
    assert len({picture.tobytes() for picture in pictures}) == 12


@pytest.mark.parametrize("name", THINGS)
def test_no_class_has_a_colour_of_its_own(name: str) -> None:
    hues = []
    for seed in range(40):
        red, green, blue, alpha = draw(THINGS[name][0], seed, 40)
        solid = alpha == 1
        warm = (red - blue)[solid].mean()
        leafy = (green - (red + blue) / 2)[solid].mean()
        hues.append((warm > 0, leafy > 0))
    # Warm and cold, green and not green: at least a tenth of each for every class.
    shares = np.mean(hues, axis=0)
    assert np.all((shares >= 0.1) & (shares <= 0.9))


@pytest.mark.parametrize("drawing", [*(drawing for drawing, _ in CLUTTER), draw_scrap])
def test_clutter_and_scraps_stay_in_their_frame(drawing: Drawing) -> None:
    for seed in range(20):
        picture = draw(drawing, seed, 60)
        assert 0.3 * 60 <= max(picture.shape[1:]) <= 1.05 * 60
        assert (picture[3] >= 0.5).any()


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("size", [Size(500, 333), Size(333, 500)])
def test_backdrops_are_busy_pictures_of_the_asked_size(kind, size: Size) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        picture = kind(rng, size, _palette(rng))
        assert picture.shape == (3, size.height, size.width)
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert picture.min() > -60
        assert picture.max() < 320
        assert picture.std(axis=(1, 2)).max() > 4
        assert picture.flags.writeable


def test_backdrops_come_in_every_kind() -> None:
    means = [draw_backdrop(np.random.default_rng(seed), Size(60, 40)).mean() for seed in range(10)]
    assert len(set(means)) == 10

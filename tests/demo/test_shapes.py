import numpy as np
import pytest

from freeloc.demo.backdrops import _BACKDROPS, CLUTTER, Texture, _palette, draw_backdrop, draw_scrap
from freeloc.demo.drawing import ColorScheme, Drawing, Painter, render_sprite
from freeloc.demo.shapes import OBJECTS
from freeloc.geometry.size import Size

LIGHT = (-0.6, -0.8)


def draw(drawing: Drawing, seed: int, side: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    painter = Painter(side)
    drawing(painter, rng, ColorScheme.draw(rng))
    sprite = render_sprite(painter, LIGHT, 0.0)
    return np.concatenate((sprite.color, sprite.alpha[None]))


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_fills_its_frame_and_varies(name: str) -> None:
    images = [draw(OBJECTS[name][0], seed, 120) for seed in range(12)]
    for image in images:
        height, width = image.shape[1:]
        assert 0.8 * 120 <= max(height, width) <= 1.05 * 120
        assert (image[3] >= 0.5).mean() > 0.15
    assert len({image.tobytes() for image in images}) == 12


@pytest.mark.parametrize("name", OBJECTS)
def test_color_does_not_identify_a_class(name: str) -> None:
    hues = []
    for seed in range(40):
        red, green, blue, alpha = draw(OBJECTS[name][0], seed, 40)
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
        image = draw(drawing, seed, 60)
        assert 0.3 * 60 <= max(image.shape[1:]) <= 1.05 * 60
        assert (image[3] >= 0.5).any()


@pytest.mark.parametrize("texture", _BACKDROPS)
@pytest.mark.parametrize("size", [Size(500, 333), Size(333, 500)])
def test_backdrops_are_cluttered_images_of_the_requested_size(texture: Texture, size: Size) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        image = texture(rng, size, _palette(rng))
        assert image.shape == (3, size.height, size.width)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() > -60
        assert image.max() < 320
        assert image.std(axis=(1, 2)).max() > 4
        assert image.flags.writeable


def test_backdrops_vary() -> None:
    means = [draw_backdrop(np.random.default_rng(seed), Size(60, 40)).mean() for seed in range(10)]
    assert len(set(means)) == 10

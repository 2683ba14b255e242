import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.demo.drawing import (
    BASE_COLORS,
    CHARCOAL,
    WHITE,
    ColorScheme,
    Painter,
    ellipse,
    mix,
    render_sprite,
    scaled,
    shifted,
    smooth,
)

LIGHT = (-0.6, -0.8)


@settings(max_examples=40)
@given(
    side=st.floats(30, 160),
    turn=st.floats(-math.pi, math.pi),
    mirror=st.booleans(),
    stretch=st.floats(0.8, 1.25),
    rx=st.floats(0.3, 0.95),
    ry=st.floats(0.3, 0.95),
)
def test_a_drawing_covers_its_area_at_any_rotation(
    side: float, turn: float, mirror: bool, stretch: float, rx: float, ry: float
) -> None:
    painter = Painter(side, turn, mirror, stretch)
    outline = ellipse(0, 0, rx, ry)
    painter.fill(outline, WHITE)
    x, y = outline.T
    shoelace = abs(np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:])) / 2
    area = shoelace * stretch * (side / 2) ** 2
    rim = 2 * math.pi * max(rx, ry) * side / 2
    # Filling includes the supersampled pixels on the outline: up to a third of a pixel on every side.
    assert abs(render_sprite(painter, LIGHT, 0.0).alpha.sum() - area) < 0.45 * rim


@given(turn=st.floats(-3, 3), relief=st.floats(0, 1))
@settings(max_examples=20)
def test_light_never_makes_color_brighter_than_white(turn: float, relief: float) -> None:
    painter = Painter(60, turn)
    painter.box(-0.8, -0.5, 0.8, 0.5, WHITE)
    sprite = render_sprite(painter, LIGHT, relief)
    assert np.all(sprite.color <= 255 * sprite.alpha[None] + 1e-3)
    assert sprite.shadow_mask.shape == tuple(side + 2 * sprite.margin for side in sprite.alpha.shape)


def test_a_sprite_is_cropped_and_its_edges_keep_their_color() -> None:
    painter = Painter(80, 0.4)
    painter.dot(0.1, -0.2, 0.5, (200, 100, 50))
    sprite = render_sprite(painter, LIGHT, 0.0)
    assert sprite.alpha[0].any()
    assert sprite.alpha[-1].any()
    assert sprite.alpha[:, 0].any()
    assert sprite.alpha[:, -1].any()
    edge = (sprite.alpha > 0.3) & (sprite.alpha < 1)
    colors = sprite.color[:, edge] / sprite.alpha[edge]
    assert np.allclose(colors, np.array([[200], [100], [50]]), atol=3)


def test_mirroring_swaps_left_and_right() -> None:
    def draw(mirror: bool) -> np.ndarray:
        painter = Painter(60, mirror=mirror)
        painter.fill([(-0.9, -0.5), (0.9, 0.0), (-0.9, 0.5)], WHITE)
        return render_sprite(painter, LIGHT, 0.0).alpha

    plain, mirrored = draw(False), draw(True)
    half = plain.shape[1] // 2
    assert plain[:, :half].sum() > 2 * plain[:, half:].sum()
    assert mirrored[:, half:].sum() > 2 * mirrored[:, :half].sum()


def test_clipped_drawing_stays_inside_the_shape() -> None:
    shape = ellipse(0, 0, 0.5, 0.3)
    painter, alone = Painter(90, 0.3), Painter(90, 0.3)
    alone.fill(shape, WHITE)
    with painter.clip(shape):
        painter.box(-1, -1, 1, 1, CHARCOAL)
    assert np.array_equal(render_sprite(painter, LIGHT, 0.0).alpha, render_sprite(alone, LIGHT, 0.0).alpha)


def test_clipping_to_a_region_outside_the_image_draws_nothing() -> None:
    painter = Painter(40)
    painter.dot(0, 0, 0.5, WHITE)
    before = painter.image.tobytes()
    with painter.clip([(5.0, 5.0), (6.0, 5.0), (6.0, 6.0)]):
        painter.box(-1, -1, 1, 1, CHARCOAL)
    assert painter.image.tobytes() == before


@pytest.mark.parametrize("closed", [True, False])
def test_smooth_curves_pass_through_their_corners(closed: bool) -> None:
    corners = np.array([(0.0, 0.0), (1.0, 0.2), (0.7, 1.0), (-0.2, 0.6)])
    curve = smooth(corners, closed)
    for corner in corners:
        assert np.min(np.hypot(*(curve - corner).T)) < 1e-12
    assert len(curve) == (32 if closed else 25)
    assert np.max(np.hypot(*np.diff(curve, axis=0).T)) < 0.35


def test_moving_and_shrinking_points() -> None:
    square = np.array([(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)])
    assert shifted(square, 1, -1).tolist() == [[1, -1], [3, -1], [3, 1], [1, 1]]
    assert scaled(square, 0.5).tolist() == [[0.5, 0.5], [1.5, 0.5], [1.5, 1.5], [0.5, 1.5]]


def test_mixing_interpolates_between_two_colors() -> None:
    assert mix((0, 100, 200), (100, 200, 0), 0.0) == (0, 100, 200)
    assert mix((0, 100, 200), (100, 200, 0), 0.25) == (25, 125, 150)
    assert mix((0, 100, 200), (100, 200, 0), 1.0) == (100, 200, 0)


def test_color_schemes_use_every_base_color() -> None:
    rng = np.random.default_rng(0)
    mains = np.array([ColorScheme.draw(rng).main for _ in range(400)])
    nearest = np.linalg.norm(mains[:, None] - np.array(BASE_COLORS)[None], axis=2).argmin(axis=1)
    assert set(nearest.tolist()) == set(range(len(BASE_COLORS)))

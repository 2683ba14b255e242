import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.demo.drawing import (
    NIGHT,
    PAINTS,
    WHITE,
    Inks,
    Pen,
    around,
    ellipse,
    finish,
    mix,
    shifted,
    smooth,
)

LIGHT = (-0.6, -0.8)


@settings(max_examples=40, deadline=None)
@given(
    side=st.floats(30, 160),
    turn=st.floats(-math.pi, math.pi),
    mirror=st.booleans(),
    stretch=st.floats(0.8, 1.25),
    rx=st.floats(0.3, 0.95),
    ry=st.floats(0.3, 0.95),
)
def test_a_drawing_covers_its_area_however_it_is_turned(
    side: float, turn: float, mirror: bool, stretch: float, rx: float, ry: float
) -> None:
    pen = Pen(side, turn, mirror, stretch)
    outline = ellipse(0, 0, rx, ry)
    pen.fill(outline, WHITE)
    x, y = outline.T
    shoelace = abs(np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:])) / 2
    area = shoelace * stretch * (side / 2) ** 2
    rim = 2 * math.pi * max(rx, ry) * side / 2
    # Filling takes in the supersampled pixels on the outline: up to a third of a pixel all around.
    assert abs(finish(pen, LIGHT, 0.0).alpha.sum() - area) < 0.45 * rim


@given(turn=st.floats(-3, 3), relief=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_light_never_makes_colour_brighter_than_white(turn: float, relief: float) -> None:
    pen = Pen(60, turn)
    pen.box(-0.8, -0.5, 0.8, 0.5, WHITE)
    sprite = finish(pen, LIGHT, relief)
    assert np.all(sprite.colour <= 255 * sprite.alpha[None] + 1e-3)
    assert sprite.halo.shape == tuple(side + 2 * sprite.rim for side in sprite.alpha.shape)


def test_a_sprite_is_cut_tight_and_its_edges_keep_their_colour() -> None:
    pen = Pen(80, 0.4)
    pen.dot(0.1, -0.2, 0.5, (200, 100, 50))
    sprite = finish(pen, LIGHT, 0.0)
    assert sprite.alpha[0].any()
    assert sprite.alpha[-1].any()
    assert sprite.alpha[:, 0].any()
    assert sprite.alpha[:, -1].any()
    edge = (sprite.alpha > 0.3) & (sprite.alpha < 1)
    colours = sprite.colour[:, edge] / sprite.alpha[edge]
    assert np.allclose(colours, np.array([[200], [100], [50]]), atol=3)


def test_mirroring_swaps_left_and_right() -> None:
    def draw(mirror: bool) -> np.ndarray:
        pen = Pen(60, mirror=mirror)
        pen.fill([(-0.9, -0.5), (0.9, 0.0), (-0.9, 0.5)], WHITE)
        return finish(pen, LIGHT, 0.0).alpha

    plain, mirrored = draw(False), draw(True)
    half = plain.shape[1] // 2
    assert plain[:, :half].sum() > 2 * plain[:, half:].sum()
    assert mirrored[:, half:].sum() > 2 * mirrored[:, :half].sum()


def test_drawing_inside_a_shape_stays_inside_it() -> None:
    shape = ellipse(0, 0, 0.5, 0.3)
    pen, alone = Pen(90, 0.3), Pen(90, 0.3)
    alone.fill(shape, WHITE)
    with pen.inside(shape):
        pen.box(-1, -1, 1, 1, NIGHT)
    assert np.array_equal(finish(pen, LIGHT, 0.0).alpha, finish(alone, LIGHT, 0.0).alpha)


def test_nothing_is_drawn_inside_an_area_off_the_picture() -> None:
    pen = Pen(40)
    pen.dot(0, 0, 0.5, WHITE)
    before = pen.picture.tobytes()
    with pen.inside([(5.0, 5.0), (6.0, 5.0), (6.0, 6.0)]):
        pen.box(-1, -1, 1, 1, NIGHT)
    assert pen.picture.tobytes() == before


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
    assert around(square, 0.5).tolist() == [[0.5, 0.5], [1.5, 0.5], [1.5, 1.5], [0.5, 1.5]]


def test_mixing_runs_from_one_colour_to_the_other() -> None:
    assert mix((0, 100, 200), (100, 200, 0), 0.0) == (0, 100, 200)
    assert mix((0, 100, 200), (100, 200, 0), 0.25) == (25, 125, 150)
    assert mix((0, 100, 200), (100, 200, 0), 1.0) == (100, 200, 0)


def test_inks_use_every_paint() -> None:
    rng = np.random.default_rng(0)
    mains = np.array([Inks.draw(rng).main for _ in range(400)])
    nearest = np.linalg.norm(mains[:, None] - np.array(PAINTS)[None], axis=2).argmin(axis=1)
    assert set(nearest.tolist()) == set(range(len(PAINTS)))

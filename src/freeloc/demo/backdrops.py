"""What lies behind and before the things of the generated scenes: backdrops, paper scraps and clutter.

A backdrop is a busy picture of no class: a sky, planks, bricks, a weave, waves, tiles, contour lines or
marble. Scraps are flat shapes strewn over it. Clutter (leaves, ribbons, bars, pebbles) may lie over a thing.
Pictures are held as (3, H, W), one plane a colour, which is the faster way round for NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from freeloc._typing import Float32Array
from freeloc.demo.drawing import METAL, NIGHT, PAINTS, WHITE, Drawing, Inks, Pen, ellipse, hsv, mix, smooth
from freeloc.geometry.size import Size

__all__ = ["CLUTTER", "draw_backdrop", "draw_scrap"]

_TONES = ((236, 226, 206), (206, 214, 220), (150, 142, 132), (74, 82, 98), (226, 206, 196), (168, 186, 170))


def _palette(rng: np.random.Generator) -> Float32Array:
    """(5, 3) muted colours that lean towards one tone, so that the things in front stand out to the eye."""
    tone = _TONES[rng.integers(len(_TONES))]
    picks = rng.permutation(len(PAINTS))[:5]
    shares = rng.uniform(0.3, 0.75, 5)
    colours = [mix(PAINTS[pick], tone, share) for pick, share in zip(picks, shares, strict=True)]
    return np.array(colours, dtype=np.float32)


def _noise(rng: np.random.Generator, size: Size, cell_x: float, cell_y: float) -> Float32Array:
    """(H, W) smooth noise between about 0 and 1 with bumps of the given size in pixels."""
    across, down = size.width / cell_x, size.height / cell_y
    seeds = Image.fromarray(rng.random((math.ceil(down) + 1, math.ceil(across) + 1), dtype=np.float32))
    grown = seeds.resize((size.width, size.height), Image.Resampling.BICUBIC, box=(0, 0, across, down))
    return np.asarray(grown, dtype=np.float32)


def _clouds(rng: np.random.Generator, size: Size, cell: float) -> Float32Array:
    """(H, W) noise at three frequencies, stretched to 0..1."""
    total = _noise(rng, size, cell, cell)
    for octave, weight in ((2.7, 0.5), (7.0, 0.25)):
        total = total + np.float32(weight) * _noise(rng, size, cell / octave, cell / octave)
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - np.float32(low)) / np.float32(max(high - low, 1e-6)), dtype=np.float32)


def _ramp(values: Float32Array, colours: Float32Array, steps: bool = False) -> Float32Array:
    """(3, H, W) colours for values from 0 to 1, running smoothly or in steps through the palette."""
    if steps:
        steep = colours[np.arange(256) * len(colours) // 256]
        # Soft steps, for edges without stairs; the values of stepped pictures go round, and so does this.
        table = np.mean([np.roll(steep, shift, axis=0) for shift in range(-2, 3)], axis=0)
    else:
        place, known = np.linspace(0, len(colours) - 1, 256), np.arange(len(colours))
        table = np.stack([np.interp(place, known, band) for band in colours.T], axis=1)
    return _pick(table, np.clip(values * np.float32(255), 0, 255).astype(np.uint8))


def _pick(table: npt.NDArray[np.floating], picks: npt.NDArray[np.integer]) -> Float32Array:
    """(3, H, W) colours taken from an (N, 3) table by (H, W) numbers."""
    return np.take(np.ascontiguousarray(table.T, dtype=np.float32), picks, axis=1)


def _axes(rng: np.random.Generator, size: Size, lean: float) -> tuple[Float32Array, Float32Array]:
    """Pixel coordinates along two axes, turned by up to ``lean`` radians and moved at random."""
    turn = rng.uniform(-lean, lean)
    cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    x = np.arange(size.width, dtype=np.float32)[None]
    y = np.arange(size.height, dtype=np.float32)[:, None]
    start = rng.uniform(1000, 2000, 2)
    along = np.add(x * cos, y * sin + np.float32(start[0]), dtype=np.float32)
    across = np.add(y * cos, np.float32(start[1]) - x * sin, dtype=np.float32)
    return along, across


def _sky(rng: np.random.Generator, size: Size, colours: Float32Array) -> Float32Array:
    fall = np.linspace(0, 1, size.height, dtype=np.float32)[:, None]
    picture = _ramp(np.float32(0.75) * fall + np.float32(0.25) * _clouds(rng, size, 150), colours[:3])
    small = Image.new("L", (size.width // 4, size.height // 4))
    pencil = ImageDraw.Draw(small)
    for x, y, radius, glow in rng.uniform(
        (0, 0, 5, 30), (small.width, small.height, 16, 150), (26, 4)
    ).tolist():
        pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=int(glow))
    soft = small.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3.0)))
    lights = np.asarray(soft.resize((size.width, size.height), Image.Resampling.BILINEAR), np.float32) / 255
    lit: Float32Array = picture + lights * (colours[3][:, None, None] - picture)
    return lit


def _marble(rng: np.random.Generator, size: Size, colours: Float32Array) -> Float32Array:
    return _ramp(_clouds(rng, size, rng.uniform(45, 150)), colours)


def _contours(rng: np.random.Generator, size: Size, colours: Float32Array) -> Float32Array:
    height = _clouds(rng, size, rng.uniform(90, 200)) * np.float32(rng.uniform(2, 4))
    return _ramp(height % 1, colours, steps=True)


def _waves(rng: np.random.Generator, size: Size, colours: Float32Array) -> Float32Array:
    along, across = _axes(rng, size, math.pi)
    length, period = rng.uniform(60, 180), rng.uniform(40, 130)
    bend = np.float32(rng.uniform(2, 14)) * np.sin(along * np.float32(math.tau / length))
    return _ramp((across + bend) / np.float32(period) % 1, colours[: rng.integers(2, 6)], steps=True)


def _planks(rng: np.random.Generator, size: Size, colours: Float32Array) -> Float32Array:
    upright = rng.random() < 0.5
    shape = Size(size.height, size.width) if upright else size
    wide = rng.uniform(36, 80)
    rows = np.arange(shape.height, dtype=np.float32) / np.float32(wide) + np.float32(rng.random())
    brown = rng.random() < 0.6
    wood = [hsv(rng.uniform(0.05, 0.1), rng.uniform(0.25, 0.55), rng.uniform(0.35, 0.85)) for _ in range(3)]
    shades = np.array(wood, dtype=np.float32) if brown else colours[:3]
    tints = shades[rng.integers(0, 3, 64)] * rng.uniform(0.85, 1.1, (64, 1)).astype(np.float32)
    grain = _noise(rng, shape, 170, 7) + np.float32(0.6) * _noise(rng, shape, 60, 2.5)
    # Rings run along the grain: noise bent into stripes.
    rings = np.sin(grain * np.float32(9)) * np.float32(0.05) + grain * np.float32(0.16) + np.float32(0.84)
    rings *= np.where((rows % 1) * wide < 2.5, np.float32(0.55), np.float32(1))[:, None]
    picture = tints[rows.astype(int)].T[..., None] * rings
    return np.ascontiguousarray(picture.transpose(0, 2, 1)) if upright else picture


def _bricks(rng: np.random.Generator, size: Size, colours: Float32Array) -> Float32Array:
    high = rng.uniform(20, 40)
    wide = high * rng.uniform(1.8, 2.6)
    x, y = _axes(rng, size, 0.06)
    row = np.floor(y / np.float32(high))
    shifted = x / np.float32(wide) + np.float32(0.5) * (row % 2)
    column = np.floor(shifted)
    count = 4096
    tints = colours[rng.integers(0, 2, count)] * rng.uniform(0.82, 1.12, (count, 1)).astype(np.float32)
    joint = ((shifted - column) * np.float32(wide) < 3) | (y - row * np.float32(high) < 3)
    tints[0] = 0.35 * colours[4] + 0.65 * np.array(METAL)
    number = 1 + (row * 61 + column) % (count - 1)
    picture = _pick(tints, np.where(joint, np.float32(0), number).astype(np.int32))
    return picture * (np.float32(0.9) + np.float32(0.2) * _noise(rng, size, 5, 5))


def _weave(rng: np.random.Generator, size: Size, colours: Float32Array) -> Float32Array:
    period = int(rng.integers(50, 120))
    edges = np.sort(rng.integers(0, period, 6))
    stripe = rng.permutation(7) % 5
    order = stripe[np.searchsorted(edges, np.arange(period), side="right")]
    across = colours[order[np.arange(size.width) % period]].T[:, None]
    down = colours[order[np.arange(size.height) % period]].T[..., None]
    twill = ((np.arange(size.width)[None] + np.arange(size.height)[:, None]) % 6 < 3).astype(np.float32)
    share = np.float32(0.3) + np.float32(0.4) * twill
    return down + share * (across - down)


def _tiles(rng: np.random.Generator, size: Size, colours: Float32Array) -> Float32Array:
    side = rng.uniform(30, 70)
    x, y = (axis / np.float32(side) for axis in _axes(rng, size, 0.8))
    column, row = np.floor(x), np.floor(y)
    inner_x, inner_y = x - column, y - row
    if rng.random() < 0.5:
        half = inner_x > inner_y
    else:
        half = (inner_x - np.float32(0.5)) ** 2 + (inner_y - np.float32(0.5)) ** 2 < np.float32(0.11)
    count = 2048
    tints = colours[rng.integers(0, 5, count)]
    return _pick(tints, ((row * 131 + column * 2 + half) % count).astype(np.int32))


_KINDS: tuple[Callable[[np.random.Generator, Size, Float32Array], Float32Array], ...] = (
    _sky,
    _marble,
    _contours,
    _waves,
    _planks,
    _bricks,
    _weave,
    _tiles,
)


def draw_backdrop(rng: np.random.Generator, size: Size) -> Float32Array:
    """One busy background of a random kind and palette.

    Args:
        rng: where every choice comes from.
        size: of the picture, in pixels.

    Returns:
        (3, H, W) float32 red, green, blue, about 0 to 255, freshly made.
    """
    colours = _palette(rng)
    kind = _KINDS[rng.integers(len(_KINDS))]
    return kind(rng, size, colours)


def draw_scrap(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    """A paper scrap of no class: a polygon, a star, a blob, a ring, a cross or a squiggle."""
    kind = int(rng.integers(6))
    colour = mix(ink.main, ink.second, 0.3)
    corners = int(rng.integers(3, 8))
    angles = np.linspace(0, math.tau, 2 * corners, endpoint=False)
    circle = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    if kind == 0:
        pen.fill(circle[::2] * rng.uniform(0.6, 1.0, (corners, 1)), colour)
    elif kind == 1:
        pen.fill(circle * np.resize([1.0, rng.uniform(0.4, 0.7)], 2 * corners)[:, None], colour)
    elif kind == 2:
        pen.fill(smooth(circle * rng.uniform(0.55, 0.95, (2 * corners, 1))), colour)
    elif kind == 3:
        pen.stroke(ellipse(0, 0, 0.8, rng.uniform(0.5, 0.8)), rng.uniform(0.12, 0.3), colour)
    elif kind == 4:
        pen.stroke([(-0.8, 0), (0.8, 0)], 0.3, colour)
        pen.stroke([(0, -0.8), (0, 0.8)], 0.3, colour)
    else:
        wiggle = np.stack((np.linspace(-0.9, 0.9, 9), np.resize([-0.3, 0.3], 9)), axis=1)
        pen.stroke(smooth(wiggle, closed=False), rng.uniform(0.1, 0.2), colour)


def _leaf(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    wide = rng.uniform(0.22, 0.42)
    upper = [(-0.85, 0), (-0.4, -wide), (0.3, -0.8 * wide), (0.98, 0)]
    blade = smooth([*upper, (0.3, 0.8 * wide), (-0.4, wide)])
    green = hsv(rng.uniform(0.08, 0.42), rng.uniform(0.4, 0.75), rng.uniform(0.4, 0.75))
    pen.stroke([(-1, 0.02), (-0.8, 0)], 0.05, mix(green, ink.dark, 0.3))
    pen.fill(blade, green)
    with pen.inside(blade):
        pen.box(-1, 0, 1, 1, mix(green, NIGHT, 0.15))
        for x in np.linspace(-0.7, 0.6, 6):
            for flank in (-1, 1):
                pen.stroke([(x, 0), (x + 0.3, flank * 0.45)], 0.02, mix(green, WHITE, 0.3))
    pen.stroke([(-0.85, 0), (0.9, 0)], 0.03, mix(green, WHITE, 0.35))


def _sprig(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    green = hsv(rng.uniform(0.2, 0.48), rng.uniform(0.3, 0.65), rng.uniform(0.35, 0.7))
    bends = rng.uniform(-0.12, 0.12, 4)
    stem = smooth(np.stack(([-0.98, -0.3, 0.4, 0.9], bends), axis=1), closed=False)
    pen.stroke(stem, 0.04, mix(green, ink.dark, 0.45))
    for number, (x, y) in enumerate(stem[2::3].tolist()):
        size = 0.2 * (1.2 - abs(x))
        for flank in (-size, size):
            root, tip = (x, y), (x + 1.3 * size, y + 1.5 * flank)
            sides = (x + 0.1 * size, y + 0.9 * flank), (x + 1.1 * size, y + 0.5 * flank)
            pen.fill(smooth([root, sides[0], tip, sides[1]]), mix(green, WHITE, 0.12 * (number % 3)))


def _ribbon(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    curve = smooth(np.stack((np.linspace(-0.94, 0.94, 5), rng.uniform(-0.3, 0.3, 5)), axis=1), closed=False)
    width = rng.uniform(0.07, 0.13)
    pen.stroke(curve, width, ink.main)
    pen.stroke(curve, width * 0.35, mix(ink.main, ink.second, 0.8))


def _bar(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    half = rng.uniform(0.05, 0.09)
    pen.box(-1, -half, 1, half, ink.main)
    for x in np.arange(-0.95, 0.8, 0.22):
        pen.fill([(x, -half), (x + 0.11, -half), (x + 0.06, half), (x - 0.05, half)], ink.second)


def _pebble(pen: Pen, rng: np.random.Generator, ink: Inks) -> None:
    angles = np.linspace(0, math.tau, 7, endpoint=False)
    round_about = np.stack((np.cos(angles), 0.75 * np.sin(angles)), axis=1)
    stone = smooth(round_about * rng.uniform(0.7, 0.95, (7, 1)))
    grey = mix(ink.main, (150, 145, 140), 0.75)
    pen.fill(stone, grey)
    with pen.inside(stone):
        for x, y in rng.uniform(-0.9, 0.9, (14, 2)).tolist():
            pen.dot(x, y, rng.uniform(0.02, 0.07), mix(grey, NIGHT if x > 0 else WHITE, 0.35))


CLUTTER: tuple[tuple[Drawing, float], ...] = (
    (_leaf, 0.22),
    (_leaf, 0.3),
    (_sprig, 0.4),
    (_ribbon, 0.5),
    (_bar, 0.5),
    (_pebble, 0.12),
)
"""Things of no class that may lie over others, each with its usual length as a share of the longest side."""

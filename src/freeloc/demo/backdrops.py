"""Backgrounds and clutter of the generated scenes.

A backdrop is a cluttered texture without objects: a sky, planks, bricks, a weave, waves, tiles, contour lines
or marble. Paper scraps are flat shapes on the backdrop. Clutter (leaves, ribbons, bars, pebbles) may cover
parts of objects. Images are stored as (3, H, W) arrays, one plane per color, because NumPy processes this layout
faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from freeloc._typing import Float32Array
from freeloc.demo.drawing import (
    BASE_COLORS,
    CHARCOAL,
    METAL,
    WHITE,
    ColorScheme,
    Drawing,
    Painter,
    ellipse,
    hsv,
    mix,
    smooth,
)
from freeloc.geometry.size import Size

__all__ = ["CLUTTER", "Texture", "draw_backdrop", "draw_scrap"]

_BASE_TONES = (
    (236, 226, 206),
    (206, 214, 220),
    (150, 142, 132),
    (74, 82, 98),
    (226, 206, 196),
    (168, 186, 170),
)


def _palette(rng: np.random.Generator) -> Float32Array:
    """Return (5, 3) colors, muted by mixing them with one tone so that the objects in front stand out."""
    tone = _BASE_TONES[rng.integers(len(_BASE_TONES))]
    picks = rng.permutation(len(BASE_COLORS))[:5]
    fractions = rng.uniform(0.3, 0.75, 5)
    colors = [mix(BASE_COLORS[pick], tone, fraction) for pick, fraction in zip(picks, fractions, strict=True)]
    return np.array(colors, dtype=np.float32)


def _noise(rng: np.random.Generator, size: Size, cell_x: float, cell_y: float) -> Float32Array:
    """Return (H, W) smooth noise from about 0 to 1, with bumps of about ``cell_x`` × ``cell_y`` pixels."""
    across, down = size.width / cell_x, size.height / cell_y
    seeds = Image.fromarray(rng.random((math.ceil(down) + 1, math.ceil(across) + 1), dtype=np.float32))
    grown = seeds.resize((size.width, size.height), Image.Resampling.BICUBIC, box=(0, 0, across, down))
    return np.asarray(grown, dtype=np.float32)


def _clouds(rng: np.random.Generator, size: Size, cell: float) -> Float32Array:
    """Return the sum of noise at three frequencies, as (H, W) values rescaled to the range from 0 to 1."""
    total = _noise(rng, size, cell, cell)
    for octave, weight in ((2.7, 0.5), (7.0, 0.25)):
        total = total + np.float32(weight) * _noise(rng, size, cell / octave, cell / octave)
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - np.float32(low)) / np.float32(max(high - low, 1e-6)), dtype=np.float32)


def _ramp(values: Float32Array, colors: Float32Array, steps: bool = False) -> Float32Array:
    """Map (H, W) values between 0 and 1 to (3, H, W) palette colors, smoothly or in steps."""
    if steps:
        steep = colors[np.arange(256) * len(colors) // 256]
        # Smooth the steps to avoid aliasing. The values of stepped textures wrap around from 1 to 0, and so does
        # the table.
        table = np.mean([np.roll(steep, shift, axis=0) for shift in range(-2, 3)], axis=0)
    else:
        positions, knots = np.linspace(0, len(colors) - 1, 256), np.arange(len(colors))
        table = np.stack([np.interp(positions, knots, band) for band in colors.T], axis=1)
    return _pick(table, np.clip(values * np.float32(255), 0, 255).astype(np.uint8))


def _pick(table: npt.NDArray[np.floating], picks: npt.NDArray[np.integer]) -> Float32Array:
    """Look up the colors of (H, W) indices in an (N, 3) table; return (3, H, W) colors."""
    return np.take(np.ascontiguousarray(table.T, dtype=np.float32), picks, axis=1)


def _axes(rng: np.random.Generator, size: Size, max_turn: float) -> tuple[Float32Array, Float32Array]:
    """Return pixel coordinates along two perpendicular axes, shifted and rotated at random.

    The rotation is at most ``max_turn`` radians in either direction.
    """
    turn = rng.uniform(-max_turn, max_turn)
    cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    x = np.arange(size.width, dtype=np.float32)[None]
    y = np.arange(size.height, dtype=np.float32)[:, None]
    start = rng.uniform(1000, 2000, 2)
    along = np.add(x * cos, y * sin + np.float32(start[0]), dtype=np.float32)
    across = np.add(y * cos, np.float32(start[1]) - x * sin, dtype=np.float32)
    return along, across


def _sky(rng: np.random.Generator, size: Size, colors: Float32Array) -> Float32Array:
    fall = np.linspace(0, 1, size.height, dtype=np.float32)[:, None]
    image = _ramp(np.float32(0.75) * fall + np.float32(0.25) * _clouds(rng, size, 150), colors[:3])
    small = Image.new("L", (size.width // 4, size.height // 4))
    draw = ImageDraw.Draw(small)
    for x, y, radius, glow in rng.uniform(
        (0, 0, 5, 30), (small.width, small.height, 16, 150), (26, 4)
    ).tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=int(glow))
    soft = small.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3.0)))
    lights = np.asarray(soft.resize((size.width, size.height), Image.Resampling.BILINEAR), np.float32) / 255
    lit: Float32Array = image + lights * (colors[3][:, None, None] - image)
    return lit


def _marble(rng: np.random.Generator, size: Size, colors: Float32Array) -> Float32Array:
    return _ramp(_clouds(rng, size, rng.uniform(45, 150)), colors)


def _contours(rng: np.random.Generator, size: Size, colors: Float32Array) -> Float32Array:
    height = _clouds(rng, size, rng.uniform(90, 200)) * np.float32(rng.uniform(2, 4))
    return _ramp(height % 1, colors, steps=True)


def _waves(rng: np.random.Generator, size: Size, colors: Float32Array) -> Float32Array:
    along, across = _axes(rng, size, math.pi)
    length, period = rng.uniform(60, 180), rng.uniform(40, 130)
    bend = np.float32(rng.uniform(2, 14)) * np.sin(along * np.float32(math.tau / length))
    return _ramp((across + bend) / np.float32(period) % 1, colors[: rng.integers(2, 6)], steps=True)


def _planks(rng: np.random.Generator, size: Size, colors: Float32Array) -> Float32Array:
    vertical = rng.random() < 0.5
    shape = Size(size.height, size.width) if vertical else size
    wide = rng.uniform(36, 80)
    rows = np.arange(shape.height, dtype=np.float32) / np.float32(wide) + np.float32(rng.random())
    brown = rng.random() < 0.6
    wood = [hsv(rng.uniform(0.05, 0.1), rng.uniform(0.25, 0.55), rng.uniform(0.35, 0.85)) for _ in range(3)]
    shades = np.array(wood, dtype=np.float32) if brown else colors[:3]
    tints = shades[rng.integers(0, 3, 64)] * rng.uniform(0.85, 1.1, (64, 1)).astype(np.float32)
    grain = _noise(rng, shape, 170, 7) + np.float32(0.6) * _noise(rng, shape, 60, 2.5)
    # The growth rings follow the grain, because they are a sine of the same noise.
    rings = np.sin(grain * np.float32(9)) * np.float32(0.05) + grain * np.float32(0.16) + np.float32(0.84)
    rings *= np.where((rows % 1) * wide < 2.5, np.float32(0.55), np.float32(1))[:, None]
    image = tints[rows.astype(int)].T[..., None] * rings
    return np.ascontiguousarray(image.transpose(0, 2, 1)) if vertical else image


def _bricks(rng: np.random.Generator, size: Size, colors: Float32Array) -> Float32Array:
    high = rng.uniform(20, 40)
    wide = high * rng.uniform(1.8, 2.6)
    x, y = _axes(rng, size, 0.06)
    row = np.floor(y / np.float32(high))
    shifted = x / np.float32(wide) + np.float32(0.5) * (row % 2)
    column = np.floor(shifted)
    count = 4096
    tints = colors[rng.integers(0, 2, count)] * rng.uniform(0.82, 1.12, (count, 1)).astype(np.float32)
    joint = ((shifted - column) * np.float32(wide) < 3) | (y - row * np.float32(high) < 3)
    tints[0] = 0.35 * colors[4] + 0.65 * np.array(METAL)
    number = 1 + (row * 61 + column) % (count - 1)
    image = _pick(tints, np.where(joint, np.float32(0), number).astype(np.int32))
    return image * (np.float32(0.9) + np.float32(0.2) * _noise(rng, size, 5, 5))


def _weave(rng: np.random.Generator, size: Size, colors: Float32Array) -> Float32Array:
    period = int(rng.integers(50, 120))
    edges = np.sort(rng.integers(0, period, 6))
    stripe = rng.permutation(7) % 5
    order = stripe[np.searchsorted(edges, np.arange(period), side="right")]
    across = colors[order[np.arange(size.width) % period]].T[:, None]
    down = colors[order[np.arange(size.height) % period]].T[..., None]
    twill = ((np.arange(size.width)[None] + np.arange(size.height)[:, None]) % 6 < 3).astype(np.float32)
    fraction = np.float32(0.3) + np.float32(0.4) * twill
    return down + fraction * (across - down)


def _tiles(rng: np.random.Generator, size: Size, colors: Float32Array) -> Float32Array:
    side = rng.uniform(30, 70)
    x, y = (axis / np.float32(side) for axis in _axes(rng, size, 0.8))
    column, row = np.floor(x), np.floor(y)
    inner_x, inner_y = x - column, y - row
    if rng.random() < 0.5:
        half = inner_x > inner_y
    else:
        half = (inner_x - np.float32(0.5)) ** 2 + (inner_y - np.float32(0.5)) ** 2 < np.float32(0.11)
    count = 2048
    tints = colors[rng.integers(0, 5, count)]
    return _pick(tints, ((row * 131 + column * 2 + half) % count).astype(np.int32))


Texture = Callable[[np.random.Generator, Size, Float32Array], Float32Array]

_BACKDROPS: tuple[Texture, ...] = (
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
    """Draw a background with a random texture and palette.

    Args:
        rng: random number generator.
        size: size of the image in pixels.

    Returns:
        A new (3, H, W) float32 array of RGB values from about 0 to 255.
    """
    colors = _palette(rng)
    texture = _BACKDROPS[rng.integers(len(_BACKDROPS))]
    return texture(rng, size, colors)


def draw_scrap(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    """Draw a paper scrap: a polygon, a star, a blob, a ring, a cross or a squiggle."""
    shape = int(rng.integers(6))
    color = mix(colors.main, colors.second, 0.3)
    corners = int(rng.integers(3, 8))
    angles = np.linspace(0, math.tau, 2 * corners, endpoint=False)
    circle = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    if shape == 0:
        painter.fill(circle[::2] * rng.uniform(0.6, 1.0, (corners, 1)), color)
    elif shape == 1:
        painter.fill(circle * np.resize([1.0, rng.uniform(0.4, 0.7)], 2 * corners)[:, None], color)
    elif shape == 2:
        painter.fill(smooth(circle * rng.uniform(0.55, 0.95, (2 * corners, 1))), color)
    elif shape == 3:
        painter.stroke(ellipse(0, 0, 0.8, rng.uniform(0.5, 0.8)), rng.uniform(0.12, 0.3), color)
    elif shape == 4:
        painter.stroke([(-0.8, 0), (0.8, 0)], 0.3, color)
        painter.stroke([(0, -0.8), (0, 0.8)], 0.3, color)
    else:
        wiggle = np.stack((np.linspace(-0.9, 0.9, 9), np.resize([-0.3, 0.3], 9)), axis=1)
        painter.stroke(smooth(wiggle, closed=False), rng.uniform(0.1, 0.2), color)


def _leaf(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    wide = rng.uniform(0.22, 0.42)
    upper = [(-0.85, 0), (-0.4, -wide), (0.3, -0.8 * wide), (0.98, 0)]
    blade = smooth([*upper, (0.3, 0.8 * wide), (-0.4, wide)])
    green = hsv(rng.uniform(0.08, 0.42), rng.uniform(0.4, 0.75), rng.uniform(0.4, 0.75))
    painter.stroke([(-1, 0.02), (-0.8, 0)], 0.05, mix(green, colors.dark, 0.3))
    painter.fill(blade, green)
    with painter.clip(blade):
        painter.box(-1, 0, 1, 1, mix(green, CHARCOAL, 0.15))
        for x in np.linspace(-0.7, 0.6, 6):
            for flank in (-1, 1):
                painter.stroke([(x, 0), (x + 0.3, flank * 0.45)], 0.02, mix(green, WHITE, 0.3))
    painter.stroke([(-0.85, 0), (0.9, 0)], 0.03, mix(green, WHITE, 0.35))


def _sprig(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    green = hsv(rng.uniform(0.2, 0.48), rng.uniform(0.3, 0.65), rng.uniform(0.35, 0.7))
    bends = rng.uniform(-0.12, 0.12, 4)
    stem = smooth(np.stack(([-0.98, -0.3, 0.4, 0.9], bends), axis=1), closed=False)
    painter.stroke(stem, 0.04, mix(green, colors.dark, 0.45))
    for number, (x, y) in enumerate(stem[2::3].tolist()):
        size = 0.2 * (1.2 - abs(x))
        for flank in (-size, size):
            root, tip = (x, y), (x + 1.3 * size, y + 1.5 * flank)
            sides = (x + 0.1 * size, y + 0.9 * flank), (x + 1.1 * size, y + 0.5 * flank)
            painter.fill(smooth([root, sides[0], tip, sides[1]]), mix(green, WHITE, 0.12 * (number % 3)))


def _ribbon(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    curve = smooth(np.stack((np.linspace(-0.94, 0.94, 5), rng.uniform(-0.3, 0.3, 5)), axis=1), closed=False)
    width = rng.uniform(0.07, 0.13)
    painter.stroke(curve, width, colors.main)
    painter.stroke(curve, width * 0.35, mix(colors.main, colors.second, 0.8))


def _bar(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    half = rng.uniform(0.05, 0.09)
    painter.box(-1, -half, 1, half, colors.main)
    for x in np.arange(-0.95, 0.8, 0.22):
        painter.fill([(x, -half), (x + 0.11, -half), (x + 0.06, half), (x - 0.05, half)], colors.second)


def _pebble(painter: Painter, rng: np.random.Generator, colors: ColorScheme) -> None:
    angles = np.linspace(0, math.tau, 7, endpoint=False)
    outline = np.stack((np.cos(angles), 0.75 * np.sin(angles)), axis=1)
    stone = smooth(outline * rng.uniform(0.7, 0.95, (7, 1)))
    gray = mix(colors.main, (150, 145, 140), 0.75)
    painter.fill(stone, gray)
    with painter.clip(stone):
        for x, y in rng.uniform(-0.9, 0.9, (14, 2)).tolist():
            painter.dot(x, y, rng.uniform(0.02, 0.07), mix(gray, CHARCOAL if x > 0 else WHITE, 0.35))


CLUTTER: tuple[tuple[Drawing, float], ...] = (
    (_leaf, 0.22),
    (_leaf, 0.3),
    (_sprig, 0.4),
    (_ribbon, 0.5),
    (_bar, 0.5),
    (_pebble, 0.12),
)
"""Clutter drawings, each with its typical length as a fraction of the scene's longest side."""

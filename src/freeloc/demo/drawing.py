"""Drawing tools for the generated scenes: geometry, colors, a painter, and a renderer of sprites.

A drawing uses local coordinates: x points right, y points down, and the longer side extends from about -1 to 1. A
`Painter` rotates, mirrors and stretches the drawing, and renders it at three times its final size.
`render_sprite` downsamples the result, which smooths the edges, and shades it.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from freeloc._typing import Float32Array

__all__ = [
    "BASE_COLORS",
    "CHARCOAL",
    "METAL",
    "WHITE",
    "Color",
    "ColorScheme",
    "Curve",
    "Drawing",
    "Painter",
    "Points",
    "Sprite",
    "ellipse",
    "hsv",
    "mix",
    "render_sprite",
    "scaled",
    "shifted",
    "smooth",
]

Color = tuple[int, int, int]
Curve = npt.NDArray[np.float64]
Points = Curve | list[tuple[float, float]]

SUPERSAMPLING = 3

WHITE: Color = (250, 248, 242)
CHARCOAL: Color = (38, 36, 46)
METAL: Color = (186, 190, 198)

BASE_COLORS: tuple[Color, ...] = (
    (214, 73, 70), (232, 111, 81), (240, 150, 84), (238, 178, 66), (244, 206, 96), (150, 166, 80),
    (82, 158, 104), (42, 157, 143), (30, 118, 124), (92, 168, 212), (62, 114, 184), (50, 78, 132),
    (124, 94, 172), (158, 82, 134), (228, 136, 170), (186, 62, 92), (146, 96, 74), (96, 110, 128),
)  # fmt: skip
"""Every class uses all of these colors, so that color does not identify a class."""

_ELLIPSE_STEPS = np.linspace(0, 1, 40)
_STEPS = np.linspace(0, 1, 8, endpoint=False)
_CATMULL_ROM = np.stack((_STEPS**0, _STEPS, _STEPS**2, _STEPS**3), axis=1) @ (
    np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
)


def hsv(hue: float, saturation: float, value: float) -> Color:
    """Return the RGB color for a hue, a saturation and a value, all between 0 and 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def mix(first: Color, second: Color, fraction: float) -> Color:
    """Interpolate between two colors; a fraction of 0 returns the first color, and 1 returns the second."""
    red, green, blue = (round(a + (b - a) * fraction) for a, b in zip(first, second, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class ColorScheme:
    """Colors of one drawing: two for large parts, one for small parts, and a dark shade of the first."""

    main: Color
    second: Color
    accent: Color
    dark: Color

    @classmethod
    def draw(cls, rng: np.random.Generator) -> ColorScheme:
        """Choose three different base colors and vary each slightly; white sometimes replaces the second color."""
        picks = rng.permutation(len(BASE_COLORS))[:3]
        main, second, accent = (
            mix(BASE_COLORS[pick], WHITE if fade > 0 else CHARCOAL, abs(fade))
            for pick, fade in zip(picks, rng.uniform(-0.2, 0.2, 3), strict=True)
        )
        return cls(main, WHITE if rng.random() < 0.35 else second, accent, mix(main, CHARCOAL, 0.68))


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = math.tau) -> Curve:
    """Return (40, 2) points along an ellipse between two angles (radians, clockwise from the right)."""
    angles = start + (stop - start) * _ELLIPSE_STEPS
    return np.stack((x + rx * np.cos(angles), y + ry * np.sin(angles)), axis=1)


def smooth(corners: Points, closed: bool = True) -> Curve:
    """Return a Catmull-Rom curve through (N, 2) corners, with eight points per segment."""
    knots = np.asarray(corners, dtype=np.float64)
    if not closed:
        knots = np.concatenate((2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]))
    ring = np.concatenate((knots[-1:], knots, knots[:2]))
    curve = _CATMULL_ROM @ np.stack((ring[:-3], ring[1:-2], ring[2:-1], ring[3:]), axis=1)
    return (curve if closed else np.concatenate((curve[1:-2].reshape(-1, 2), knots[-2:-1]))).reshape(-1, 2)


def scaled(points: Curve, factor: float) -> Curve:
    """Scale points about their mean."""
    center = points.mean(axis=0)
    return np.asarray(center + factor * (points - center))


def shifted(points: Curve, x: float, y: float) -> Curve:
    """Shift points to the right by ``x`` and down by ``y``."""
    return np.asarray(points + np.array([x, y]))


def _sharpest_turn(flat: list[float]) -> float:
    """Return the largest angle between two consecutive segments, in radians; ``flat`` is [x, y, x, y, ...]."""
    steps = np.diff(np.array(flat).reshape(-1, 2), axis=0)
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs(np.diff(headings))
    return float(np.minimum(turns, math.tau - turns).max())


class Painter:
    """Draws in local coordinates on a transparent, supersampled image.

    Args:
        side: length of the range from -1 to 1 in local coordinates, in pixels of the final image.
        turn: clockwise rotation in radians.
        mirror: whether to swap left and right.
        stretch: scale factor along the drawing's x axis.
    """

    def __init__(self, side: float, turn: float = 0.0, mirror: bool = False, stretch: float = 1.0) -> None:
        unit = side / 2 * SUPERSAMPLING
        along = -stretch if mirror else stretch
        cos, sin = math.cos(turn), math.sin(turn)
        self._matrix = unit * np.array([[cos * along, sin * along], [-sin, cos]])
        reach = np.abs(self._matrix).sum(axis=0) * 1.03
        half = [SUPERSAMPLING * math.ceil(length / SUPERSAMPLING) for length in reach]
        self._center = np.array(half, dtype=np.float64)
        self._unit = unit * math.sqrt(stretch)
        # Premultiplied alpha, so that downsampling does not mix the background's color into the edges.
        self.image = Image.new("RGBa", (2 * half[0], 2 * half[1]))
        self._draw = ImageDraw.Draw(self.image)

    def _transformed(self, points: Points) -> list[float]:
        flat: list[float] = (np.asarray(points) @ self._matrix + self._center).ravel().tolist()
        return flat

    def fill(self, points: Points, color: Color) -> None:
        """Fill a polygon with (N, 2) corners."""
        self._draw.polygon(self._transformed(points), fill=(*color, 255))

    def box(self, x1: float, y1: float, x2: float, y2: float, color: Color) -> None:
        """Fill a rectangle aligned with the drawing's axes."""
        self.fill([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], color)

    def dot(self, x: float, y: float, radius: float, color: Color, radius_y: float | None = None) -> None:
        """Fill an ellipse, or a circle if ``radius_y`` is None."""
        self.fill(ellipse(x, y, radius, radius if radius_y is None else radius_y), color)

    def stroke(self, points: Points, width: float, color: Color) -> None:
        """Draw a line with round ends through (N, 2) points."""
        flat = self._transformed(points)
        thick = max(1.0, width * self._unit)
        # Joints take most of the drawing time, so they are drawn only in thick, sharply bent lines, where gaps
        # would be visible without them.
        joint = "curve" if thick > 8 and len(flat) > 4 and thick * _sharpest_turn(flat) > 2.5 else None
        self._draw.line(flat, fill=(*color, 255), width=round(thick), joint=joint)
        for x, y in (flat[:2], flat[-2:]) if thick > 3 else ():
            self._draw.ellipse(
                (x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=(*color, 255)
            )

    @contextmanager
    def clip(self, points: Points) -> Iterator[None]:
        """Clip everything drawn inside the ``with`` block to a polygon."""
        outer = self.image
        self.image = outer.copy()
        self._draw = ImageDraw.Draw(self.image)
        yield
        mask = Image.new("1", outer.size)
        ImageDraw.Draw(mask).polygon(self._transformed(points), fill=1)
        area = mask.getbbox()
        if area is not None:
            outer.paste(self.image.crop(area), area, mask.crop(area))
        self.image = outer
        self._draw = ImageDraw.Draw(outer)


Drawing = Callable[[Painter, np.random.Generator, ColorScheme], None]
"""A function that draws a random variant of an object in the given colors."""


@dataclass(frozen=True, eq=False)
class Sprite:
    """A rendered drawing, cropped to its non-transparent part.

    Attributes:
        color: (3, h, w) float32 RGB from 0 to 255, premultiplied by ``alpha``.
        alpha: (h, w) float32, fraction of each pixel that the drawing covers.
        shadow_mask: (h + 2 · margin, w + 2 · margin) float32 from 0 to 1, the blurred alpha, used for the soft
            shadow.
        margin: number of pixels by which the shadow mask extends beyond the drawing on every side.
    """

    color: Float32Array
    alpha: Float32Array
    shadow_mask: Float32Array
    margin: int


def render_sprite(painter: Painter, light: tuple[float, float], relief: float) -> Sprite:
    """Downsample a drawing to its final size and shade it.

    Args:
        painter: the painter that contains the drawing.
        light: unit vector (x, y) toward the light.
        relief: how strongly edges that face the light are brightened and opposite edges are darkened; with 0, the
            drawing looks flat.
    """
    small = painter.image.reduce(SUPERSAMPLING)
    small = small.crop(small.getchannel("a").getbbox())
    blur = max(1.5, 0.035 * max(small.size))
    margin = math.ceil(2.5 * blur)
    padded = Image.new("L", (small.width + 2 * margin, small.height + 2 * margin))
    padded.paste(small.getchannel("a"), (margin, margin))
    shadow_mask = np.asarray(padded.filter(ImageFilter.GaussianBlur(blur)), np.float32) / np.float32(255)
    pixels = np.asarray(small).transpose(2, 0, 1).astype(np.float32, order="C")
    color, coverage = pixels[:3], pixels[3]
    if relief > 0:
        height, width = coverage.shape
        step_x, step_y = round(light[0] * blur), round(light[1] * blur)
        near = shadow_mask[
            margin + step_y : margin + step_y + height, margin + step_x : margin + step_x + width
        ]
        far = shadow_mask[
            margin - step_y : margin - step_y + height, margin - step_x : margin - step_x + width
        ]
        across = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(light[0])
        down = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(light[1])
        shade = 1 + np.float32(relief) * (far - near) + np.float32(0.13) * (across + down[:, None])
        # Premultiplied colors must not exceed the coverage; otherwise, edges would glow.
        color = np.minimum(color * shade, coverage)
    return Sprite(color, coverage / np.float32(255), shadow_mask, margin)

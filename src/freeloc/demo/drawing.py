"""How the generated scenes are drawn: a pen, colours that get on well together, and finished sprites.

A drawing lives in its own frame: x right, y down, about -1 to 1 along its longer side. A `Pen` carries that
frame onto a small picture, turned, mirrored and stretched, at three times the final size; `finish` brings it
down, which smooths the edges, and rounds it with light.
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
    "METAL",
    "NIGHT",
    "PAINTS",
    "WHITE",
    "Colour",
    "Curve",
    "Drawing",
    "Inks",
    "Pen",
    "Points",
    "Sprite",
    "around",
    "ellipse",
    "finish",
    "hsv",
    "mix",
    "shifted",
    "smooth",
]

Colour = tuple[int, int, int]
Curve = npt.NDArray[np.float64]
Points = Curve | list[tuple[float, float]]

SUPERSAMPLING = 3

WHITE: Colour = (250, 248, 242)
NIGHT: Colour = (38, 36, 46)
METAL: Colour = (186, 190, 198)

PAINTS: tuple[Colour, ...] = (
    (214, 73, 70), (232, 111, 81), (240, 150, 84), (238, 178, 66), (244, 206, 96), (150, 166, 80),
    (82, 158, 104), (42, 157, 143), (30, 118, 124), (92, 168, 212), (62, 114, 184), (50, 78, 132),
    (124, 94, 172), (158, 82, 134), (228, 136, 170), (186, 62, 92), (146, 96, 74), (96, 110, 128),
)  # fmt: skip
"""Every class draws from all of these, so that no class has a colour of its own."""

_FORTY = np.linspace(0, 1, 40)
_STEPS = np.linspace(0, 1, 8, endpoint=False)
_CATMULL_ROM = np.stack((_STEPS**0, _STEPS, _STEPS**2, _STEPS**3), axis=1) @ (
    np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour from hue (1 is once around the wheel), saturation and value (0 to 1)."""
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """The colour ``share`` (0 to 1) of the way from ``one`` to ``other``."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Inks:
    """The colours of one drawing: two large ones, one for small parts, and a dark shade of the first."""

    main: Colour
    second: Colour
    accent: Colour
    dark: Colour

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Inks:
        """Three different paints, each a little off its recipe; white takes the second place now and then."""
        picks = rng.permutation(len(PAINTS))[:3]
        main, second, accent = (
            mix(PAINTS[pick], WHITE if fade > 0 else NIGHT, abs(fade))
            for pick, fade in zip(picks, rng.uniform(-0.2, 0.2, 3), strict=True)
        )
        return cls(main, WHITE if rng.random() < 0.35 else second, accent, mix(main, NIGHT, 0.68))


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = math.tau) -> Curve:
    """(40, 2) points along an ellipse between two angles (radians, clockwise from the right)."""
    angles = start + (stop - start) * _FORTY
    return np.stack((x + rx * np.cos(angles), y + ry * np.sin(angles)), axis=1)


def smooth(corners: Points, closed: bool = True) -> Curve:
    """A Catmull-Rom curve through (N, 2) corners, eight steps from one to the next."""
    knots = np.asarray(corners, dtype=np.float64)
    if not closed:
        knots = np.concatenate((2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]))
    ring = np.concatenate((knots[-1:], knots, knots[:2]))
    curve = _CATMULL_ROM @ np.stack((ring[:-3], ring[1:-2], ring[2:-1], ring[3:]), axis=1)
    return (curve if closed else np.concatenate((curve[1:-2].reshape(-1, 2), knots[-2:-1]))).reshape(-1, 2)


def around(points: Curve, factor: float) -> Curve:
    """Points drawn towards their mean (``factor`` < 1) or away from it."""
    middle = points.mean(axis=0)
    return np.asarray(middle + factor * (points - middle))


def shifted(points: Curve, x: float, y: float) -> Curve:
    """Points moved by x to the right and y down."""
    return np.asarray(points + np.array([x, y]))


def _sharpest(flat: list[float]) -> float:
    """The largest turn between two pieces of a line, in radians; ``flat`` is x, y, x, y and so on."""
    steps = np.diff(np.array(flat).reshape(-1, 2), axis=0)
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs(np.diff(headings))
    return float(np.minimum(turns, math.tau - turns).max())


class Pen:
    """Draws in a drawing's own frame onto a transparent, supersampled picture.

    Args:
        side: final pixels from -1 to 1 of the drawing's frame.
        turn: rotation in radians, clockwise.
        mirror: whether left and right are swapped.
        stretch: factor along the drawing's x axis.
    """

    def __init__(self, side: float, turn: float = 0.0, mirror: bool = False, stretch: float = 1.0) -> None:
        unit = side / 2 * SUPERSAMPLING
        along = -stretch if mirror else stretch
        cos, sin = math.cos(turn), math.sin(turn)
        self._matrix = unit * np.array([[cos * along, sin * along], [-sin, cos]])
        reach = np.abs(self._matrix).sum(axis=0) * 1.03
        half = [SUPERSAMPLING * math.ceil(length / SUPERSAMPLING) for length in reach]
        self._middle = np.array(half, dtype=np.float64)
        self._unit = unit * math.sqrt(stretch)
        # Premultiplied alpha: bringing the picture down then mixes no colour from outside into the edges.
        self.picture = Image.new("RGBa", (2 * half[0], 2 * half[1]))
        self._draw = ImageDraw.Draw(self.picture)

    def _place(self, points: Points) -> list[float]:
        placed: list[float] = (np.asarray(points) @ self._matrix + self._middle).ravel().tolist()
        return placed

    def fill(self, points: Points, colour: Colour) -> None:
        """Fill a polygon given by (N, 2) corners."""
        self._draw.polygon(self._place(points), fill=(*colour, 255))

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """Fill a rectangle along the drawing's axes."""
        self.fill([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour)

    def dot(self, x: float, y: float, radius: float, colour: Colour, radius_y: float | None = None) -> None:
        """Fill an ellipse; a circle where ``radius_y`` is left out."""
        self.fill(ellipse(x, y, radius, radius if radius_y is None else radius_y), colour)

    def stroke(self, points: Points, width: float, colour: Colour) -> None:
        """Draw a line with round ends through (N, 2) points."""
        placed = self._place(points)
        thick = max(1.0, width * self._unit)
        # Joints take most of a line's time, and no gap shows where a line is thin or bends little.
        joint = "curve" if thick > 8 and len(placed) > 4 and thick * _sharpest(placed) > 2.5 else None
        self._draw.line(placed, fill=(*colour, 255), width=round(thick), joint=joint)
        for x, y in (placed[:2], placed[-2:]) if thick > 3 else ():
            self._draw.ellipse(
                (x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=(*colour, 255)
            )

    @contextmanager
    def inside(self, points: Points) -> Iterator[None]:
        """Keep what is drawn meanwhile inside a polygon."""
        outer = self.picture
        self.picture = outer.copy()
        self._draw = ImageDraw.Draw(self.picture)
        yield
        mask = Image.new("1", outer.size)
        ImageDraw.Draw(mask).polygon(self._place(points), fill=1)
        area = mask.getbbox()
        if area is not None:
            outer.paste(self.picture.crop(area), area, mask.crop(area))
        self.picture = outer
        self._draw = ImageDraw.Draw(outer)


Drawing = Callable[[Pen, np.random.Generator, Inks], None]
"""Draws one thing, varied by the generator, in the given colours."""


@dataclass(frozen=True, eq=False)
class Sprite:
    """A finished drawing, cut to its non-transparent part.

    Attributes:
        colour: (3, h, w) float32 red, green, blue, 0 to 255, already multiplied by ``alpha``.
        alpha: (h, w) float32, 0 to 1: how much of each pixel the drawing covers.
        halo: (h + 2 · rim, w + 2 · rim) float32, 0 to 1: the blurred alpha, which makes the soft shadow.
        rim: pixels by which the halo reaches past the drawing on every side.
    """

    colour: Float32Array
    alpha: Float32Array
    halo: Float32Array
    rim: int


def finish(pen: Pen, light: tuple[float, float], relief: float) -> Sprite:
    """Bring a drawing down to its final size, and round it with light.

    Args:
        pen: what was drawn.
        light: direction towards the light, a unit vector x, y.
        relief: how strongly edges towards the light shine and those away from it darken; 0 leaves it flat.
    """
    small = pen.picture.reduce(SUPERSAMPLING)
    small = small.crop(small.getchannel("a").getbbox())
    blur = max(1.5, 0.035 * max(small.size))
    rim = math.ceil(2.5 * blur)
    padded = Image.new("L", (small.width + 2 * rim, small.height + 2 * rim))
    padded.paste(small.getchannel("a"), (rim, rim))
    halo = np.asarray(padded.filter(ImageFilter.GaussianBlur(blur)), np.float32) / np.float32(255)
    pixels = np.asarray(small).transpose(2, 0, 1).astype(np.float32, order="C")
    colour, coverage = pixels[:3], pixels[3]
    if relief > 0:
        height, width = coverage.shape
        step_x, step_y = round(light[0] * blur), round(light[1] * blur)
        near = halo[rim + step_y : rim + step_y + height, rim + step_x : rim + step_x + width]
        far = halo[rim - step_y : rim - step_y + height, rim - step_x : rim - step_x + width]
        across = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(light[0])
        down = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(light[1])
        shade = 1 + np.float32(relief) * (far - near) + np.float32(0.13) * (across + down[:, None])
        # The colour is premultiplied: light must not lift it over the coverage, or edges would glow.
        colour = np.minimum(colour * shade, coverage)
    return Sprite(colour, coverage / np.float32(255), halo, rim)

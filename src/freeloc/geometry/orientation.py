"""Conversion of boxes from the raster as stored, or from a resized copy of it, to image coordinates.

A camera stores its raster as the sensor reads it, and records in the EXIF orientation (1 to 8) how to turn it
upright. Image coordinates refer to the upright image, but some annotation tools show the raster as stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from freeloc.geometry.box import Corners
from freeloc.geometry.size import Size

__all__ = [
    "ImageFrame",
    "is_uniform_resize",
    "matrix_orientation",
    "rescale_corners",
    "swaps_sides",
    "turn_stored",
    "turn_upright",
    "turned_size",
]

_Point: TypeAlias = tuple[float, float]

_UPRIGHT: Final[dict[int, Callable[[float, float, Size], _Point]]] = {
    1: lambda x, y, size: (x, y),  # noqa: ARG005 - all functions have the same parameters
    2: lambda x, y, size: (size.width - x, y),
    3: lambda x, y, size: (size.width - x, size.height - y),
    4: lambda x, y, size: (x, size.height - y),
    5: lambda x, y, size: (y, x),  # noqa: ARG005
    6: lambda x, y, size: (size.height - y, x),
    7: lambda x, y, size: (size.height - y, size.width - x),
    8: lambda x, y, size: (y, size.width - x),
}
"""Maps each EXIF orientation to the function that converts a position in the stored raster to the upright one."""


_ROUNDING: Final = ((-0.5, 0.5), (0.0, 1.0), (-1.0, 0.0))
"""Least and greatest amount that is lost when a side is rounded to the nearest pixel, down, and up."""

_MAX_STRETCH: Final = 0.05
"""Greatest logarithm of the change of the aspect ratio that rounding explains; tiny images would fit anything."""


def swaps_sides(orientation: int) -> bool:
    """Return whether turning an image of this EXIF orientation upright swaps its width and height."""
    return orientation >= 5


def matrix_orientation(a: float, b: float, c: float, d: float) -> int:
    """Return the EXIF orientation that turns a raster upright as the display matrix of a video does.

    The matrix maps the position (x, y) in the raster as stored to (a·x + c·y, b·x + d·y), apart from a
    translation. Rotations by other angles than multiples of 90° are rounded to the nearest multiple; scaling
    is ignored.

    Example:
        >>> matrix_orientation(1, 0, 0, 1), matrix_orientation(0, 1, -1, 0)  # upright; to be turned clockwise
        (1, 6)
    """
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return {(False, False): 1, (True, False): 2, (True, True): 3, (False, True): 4}[a < 0, d < 0]
    return {(False, False): 5, (False, True): 6, (True, True): 7, (True, False): 8}[b < 0, c < 0]


@dataclass(frozen=True, slots=True)
class ImageFrame:
    """Size of an image, and how to turn its raster as stored upright.

    Attributes:
        upright: size of the upright image.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
    """

    upright: Size
    orientation: int = 1

    @property
    def stored(self) -> Size:
        """Size of the raster as stored."""
        return turned_size(self.upright) if swaps_sides(self.orientation) else self.upright


def turned_size(size: Size) -> Size:
    """Return the size of an image after turning it by 90°."""
    return Size(size.height, size.width)


def turn_upright(corners: Corners, frame: ImageFrame) -> Corners:
    """Convert a box in the raster as stored to image coordinates.

    Args:
        corners: edges of the box in the raster as stored, in pixels.
        frame: size and orientation of the image.

    Example:
        >>> turn_upright((123, 350, 297, 404), ImageFrame(Size(500, 375), orientation=6))
        (96, 123, 150, 297)
    """
    turn = _UPRIGHT[frame.orientation]
    (xa, ya), (xb, yb) = turn(*corners[:2], frame.stored), turn(*corners[2:], frame.stored)
    return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)


def turn_stored(corners: Corners, frame: ImageFrame) -> Corners:
    """Convert a box in image coordinates to the raster as stored.

    Args:
        corners: edges of the box in image coordinates, in pixels.
        frame: size and orientation of the image.

    Example:
        >>> turn_stored((96, 123, 150, 297), ImageFrame(Size(500, 375), orientation=6))
        (123, 350, 297, 404)
    """
    inverse = {6: 8, 8: 6}.get(frame.orientation, frame.orientation)  # the others are their own inverses
    return turn_upright(corners, ImageFrame(frame.stored, inverse))


def rescale_corners(corners: Corners, source: Size, target: Size) -> Corners:
    """Convert a box in an image of size ``source`` to the same image resized to ``target``.

    Example:
        >>> rescale_corners((10, 20, 30, 40), Size(100, 80), Size(50, 40))
        (5.0, 10.0, 15.0, 20.0)
    """
    x, y = target.width / source.width, target.height / source.height
    return corners[0] * x, corners[1] * y, corners[2] * x, corners[3] * y


def is_uniform_resize(first: Size, second: Size) -> bool:
    """Return whether two sizes have the same aspect ratio, except that sides were rounded to whole pixels.

    Example:
        >>> is_uniform_resize(Size(500, 375), Size(333, 250)), is_uniform_resize(Size(500, 375), Size(500, 300))
        (True, False)
    """
    stretch = first.width * second.height / (first.height * second.width)
    if abs(math.log(stretch)) > _MAX_STRETCH:
        return False
    return _fits_scaled(first, second) or _fits_scaled(second, first)


def _fits_scaled(source: Size, target: Size) -> bool:
    """Return whether one factor scales both sides of ``source`` to those of ``target``, rounded the same way."""
    return any(
        max((target.width + low) / source.width, (target.height + low) / source.height)
        <= min((target.width + high) / source.width, (target.height + high) / source.height)
        for low, high in _ROUNDING
    )

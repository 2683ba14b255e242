"""Convert points and boxes in image coordinates to fractions of the image's sides."""

from __future__ import annotations

from freeloc.geometry.box import Corners
from freeloc.geometry.size import Size

__all__ = ["box_fractions", "point_fractions"]

_DIGITS = 6
"""Number of decimals: a thousandth of a pixel even in large images."""


def point_fractions(x: float, y: float, size: Size) -> tuple[float, float]:
    """Return a point as fractions of the image's width and height, from 0 to 1.

    Example:
        >>> point_fractions(25, 60, Size(100, 80))
        (0.25, 0.75)
    """
    return _fraction(x, size.width), _fraction(y, size.height)


def box_fractions(corners: Corners, size: Size) -> Corners:
    """Return the left edge, top edge, width and height of a box as fractions of the image's sides.

    Args:
        corners: edges of the box in image coordinates, in pixels.
        size: size of the image.

    Returns:
        Fractions from 0 to 1; the parts of the box outside the image are left out.

    Example:
        >>> box_fractions((10, 20, 120, 60), Size(100, 80))
        (0.1, 0.25, 0.9, 0.5)
    """
    left, top = point_fractions(corners[0], corners[1], size)
    right, bottom = point_fractions(corners[2], corners[3], size)
    return left, top, round(right - left, _DIGITS), round(bottom - top, _DIGITS)


def _fraction(value: float, side: int) -> float:
    return round(min(max(value / side, 0.0), 1.0), _DIGITS)

"""Convert boxes in image coordinates to the numbers that other formats store."""

from __future__ import annotations

import math

from freeloc.geometry.box import Corners
from freeloc.geometry.size import Size

__all__ = ["center_fractions", "clip_corners", "left_top_size", "voc_pixels"]


def clip_corners(corners: Corners, size: Size) -> Corners | None:
    """Return the part of a box that lies in the image; None if it has no area.

    Example:
        >>> clip_corners((-5, 10, 30, 90), Size(100, 80))
        (0.0, 10, 30, 80.0)
    """
    x1, y1, x2, y2 = corners
    x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, float(size.width)), min(y2, float(size.height))
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def left_top_size(corners: Corners) -> Corners:
    """Return the left edge, top edge, width and height of a box, as in COCO, rounded to hundredths of pixels.

    Example:
        >>> left_top_size((10.1, 20.0, 30.3, 60.0))
        (10.1, 20.0, 20.2, 40.0)
    """
    x1, y1, x2, y2 = corners
    return round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)


def center_fractions(corners: Corners, size: Size) -> Corners:
    """Return the center x and y, width and height of a box as fractions of the image's sides, as in YOLO.

    Example:
        >>> center_fractions((10, 20, 30, 60), Size(100, 80))
        (0.2, 0.5, 0.2, 0.5)
    """
    x1, y1, x2, y2 = corners
    width, height = size.width, size.height
    return (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height


def voc_pixels(corners: Corners, size: Size) -> tuple[int, int, int, int]:
    """Return the first and last pixel of a box, counted from 1, as in VOC: xmin, ymin, xmax, ymax.

    Edges are moved to the nearest edges of pixels; a box that would vanish keeps the pixel at its center.

    Args:
        corners: edges in image coordinates, within the image.
        size: size of the image.

    Example:
        >>> voc_pixels((0.0, 19.8, 30.2, 80.0), Size(100, 80))
        (1, 21, 30, 80)
    """
    (left, right), (top, bottom) = (
        _pixels(corners[0], corners[2], size.width),
        _pixels(corners[1], corners[3], size.height),
    )
    return left, top, right, bottom


def _pixels(start: float, end: float, side: int) -> tuple[int, int]:
    """Return the first and last pixel from one edge to another along one side, counted from 1."""
    first, last = round(start) + 1, round(end)
    if first > last:
        first = last = min(math.floor((start + end) / 2) + 1, side)
    return first, last

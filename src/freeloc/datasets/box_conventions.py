"""Recognize boxes that were written in another convention than their format requires.

A box such as ``[0.2, 0.1, 0.5, 0.4]`` or, where width and height are required, ``[300, 200, 400, 300]`` could be
valid, so a single one proves nothing. The boxes of a whole file do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from freeloc.geometry.box import Corners
from freeloc.geometry.size import Size

__all__ = ["WrittenBox", "find_other_convention"]

_MIN_SIDE = 4
"""Least width and height of an image, in pixels, in which boxes below one pixel are suspicious."""

_OUTSIDE = 0.05
"""Fraction of the image's side by which a box must extend beyond the image to be suspicious."""

_MIN_CORNER_SHARE = 0.25
"""Least fraction of boxes that extend beyond their images if the file contains right and bottom edges instead of
widths and heights. Boxes in the top-left quarter of the image do not, so it is about three quarters."""


class WrittenBox(NamedTuple):
    """A box as read from a file.

    Attributes:
        corners: edges of the box, in pixels of the image to which it refers.
        size: size of that image; None if it is unknown.
        has_sides: whether the file gives the width and height of the box, instead of its right and bottom edges.
    """

    corners: Corners
    size: Size | None
    has_sides: bool


def find_other_convention(boxes: Iterable[WrittenBox]) -> str | None:
    """Return what is wrong with most boxes of a file, or None if they follow the convention of their format.

    Args:
        boxes: all boxes of one file.
    """
    boxes = list(boxes)
    fractions = sum(map(_looks_like_fractions, boxes))
    if 2 * fractions > len(boxes) and any(_looks_like_fractions(box) and _has_decimals(box) for box in boxes):
        return (
            f"{_most(fractions, len(boxes))} only coordinates between 0 and 1, which look like fractions of the "
            "image's width and height: multiply them by its size in pixels"
        )
    corner_like = sum(map(_looks_like_corners, boxes))
    if corner_like > sum(map(_cannot_be_corners, boxes)) and corner_like >= _MIN_CORNER_SHARE * len(boxes):
        return (
            f"{_most(corner_like, len(boxes))} a width and height that reach beyond the image, but would fit as "
            "right and bottom edges (x1, y1, x2, y2): write each box as x, y, width, height"
        )
    return None


def _most(count: int, total: int) -> str:
    return "the box has" if total == 1 else f"{count} of {total} boxes have"


def _looks_like_fractions(box: WrittenBox) -> bool:
    x1, y1, x2, y2 = box.corners
    if box.size is not None and min(box.size.width, box.size.height) < _MIN_SIDE:
        return False
    if box.has_sides:
        return 0 <= x1 <= 1 and 0 <= y1 <= 1 and x2 - x1 <= 1 and y2 - y1 <= 1
    # VOC's pixels count from 1, so its left and top edges have been reduced by 1.
    return -1 <= x1 <= 1 and -1 <= y1 <= 1 and x2 <= 1 and y2 <= 1


def _has_decimals(box: WrittenBox) -> bool:
    return any(value % 1 for value in box.corners)


def _looks_like_corners(box: WrittenBox) -> bool:
    """Return whether a box reaches beyond its image, but would not if its width and height were edges."""
    if box.size is None or _cannot_be_corners(box):
        return False
    x1, y1, x2, y2 = box.corners
    width, height = box.size.width, box.size.height
    beyond = x2 > width * (1 + _OUTSIDE) or y2 > height * (1 + _OUTSIDE)
    return beyond and x2 - x1 <= width + 1 and y2 - y1 <= height + 1


def _cannot_be_corners(box: WrittenBox) -> bool:
    """Return whether a box would end before it starts if its width and height were its right and bottom edges."""
    x1, y1, x2, y2 = box.corners
    return not box.has_sides or x2 - x1 < x1 or y2 - y1 < y1

"""Assign points to boxes, for formats in which each box has at most one point."""

from __future__ import annotations

from collections.abc import Sequence

from freeloc.writers.image_record import BoxRecord

__all__ = ["pair_points"]


def pair_points(
    boxes: Sequence[BoxRecord], points: Sequence[tuple[float, float]]
) -> list[tuple[float, float] | None]:
    """Return the point of each box of one class; None for a box without a point.

    The points are assigned in their order, so that the highest peak is assigned first: each to the smallest box
    that contains it and has no point yet. A point that no such box contains is left out.

    Args:
        boxes: the boxes.
        points: x and y of the points, highest first.
    """
    found: list[tuple[float, float] | None] = [None] * len(boxes)
    by_area = sorted(range(len(boxes)), key=lambda index: _area(boxes[index]))
    for x, y in points:
        for index in by_area:
            box = boxes[index]
            if found[index] is None and box.x1 <= x <= box.x2 and box.y1 <= y <= box.y2:
                found[index] = (x, y)
                break
    return found


def _area(box: BoxRecord) -> float:
    return (box.x2 - box.x1) * (box.y2 - box.y1)

"""The boxes of annotations: within the image, each once."""

from __future__ import annotations

from collections.abc import Iterable

from freeloc.geometry.box_formats import clip_corners
from freeloc.geometry.size import Size
from freeloc.writers.image_record import BoxRecord

__all__ = ["clipped_boxes"]


def clipped_boxes(boxes: Iterable[BoxRecord], size: Size) -> list[BoxRecord]:
    """Return boxes clipped to an image, with edges in hundredths of pixels, in the same order.

    Boxes without an area are left out, and so are those that equal an earlier one.

    Args:
        boxes: the boxes of one class.
        size: size of the image.
    """
    found: dict[tuple[float, ...], BoxRecord] = {}
    for box in boxes:
        corners = clip_corners(box.corners, size)
        if corners is None:
            continue
        x1, y1, x2, y2 = (round(edge, 2) for edge in corners)
        if x1 < x2 and y1 < y2:
            found.setdefault((x1, y1, x2, y2), BoxRecord(x1, y1, x2, y2, box.score))
    return list(found.values())

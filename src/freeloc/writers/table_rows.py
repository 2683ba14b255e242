"""The rows of tables of predictions: one per image and class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from freeloc.writers.image_record import BoxRecord, ImageRecord, PeakRecord

__all__ = ["COLUMNS", "LIST_COLUMNS", "table_rows"]

COLUMNS: Final = (
    *("image", "frame", "time", "width", "height", "class", "score", "probability", "present", "x", "y"),
    *("box_x1", "box_y1", "box_x2", "box_y2", "box_score"),
)
"""The path of the image or video, the number and the time of a frame of a video, the width and height of the
upright image in pixels, the class, its raw score and probability, whether it is present, the image coordinates
of its point, and those of its box with the highest score, with that score."""

LIST_COLUMNS: Final = {"peaks": ("x", "y", "value"), "boxes": ("x1", "y1", "x2", "y2", "score")}
"""All peaks and boxes of the class, highest first, and what they consist of."""


def table_rows(record: ImageRecord) -> list[dict[str, Any]]:
    """Return the rows of one image, most probable classes first, by column.

    Values are None if they are unknown: those of the box if boxes were not requested, or if there is none, and the
    lists if peaks or boxes were not requested.
    """
    return [
        {
            "image": record.image,
            "frame": record.frame,
            "time": record.time,
            "width": record.width,
            "height": record.height,
            "class": each.name,
            "score": each.score,
            "probability": each.probability,
            "present": each.present,
            "x": each.x,
            "y": each.y,
            **{
                f"box_{name}": getattr(each.boxes[0], name) if each.boxes else None
                for name in LIST_COLUMNS["boxes"]
            },
            **{name: _list(getattr(each, name), keys) for name, keys in LIST_COLUMNS.items()},
        }
        for each in record.classes
    ]


def _list(
    items: Sequence[PeakRecord | BoxRecord] | None, keys: Sequence[str]
) -> list[dict[str, float]] | None:
    return None if items is None else [{key: getattr(item, key) for key in keys} for item in items]

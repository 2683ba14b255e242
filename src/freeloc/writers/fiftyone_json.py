"""Write samples for FiftyOne; ``docs/tools/fiftyone.md`` contains the lines of Python that load them."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Final

from freeloc.geometry.box_formats import clip_corners
from freeloc.geometry.fractions import box_fractions, point_fractions
from freeloc.writers.appending import GrowingFileWriter
from freeloc.writers.image_record import ClassRecord, ImageRecord
from freeloc.writers.masks import decode_mask, mask_polygons
from freeloc.writers.record import json_line
from freeloc.writers.record_writer import RecordWriter

__all__ = ["FiftyOneWriter"]

_FILE: Final = "fiftyone.jsonl"


class FiftyOneWriter(RecordWriter, GrowingFileWriter):
    """Writer of ``fiftyone.jsonl``: one sample per line.

    A sample has the absolute path of its image, and a list for each kind of label: classes, points, boxes and
    masks. The fields of a label are the arguments of FiftyOne's class for it: ``Classification``, ``Keypoint``,
    ``Detection`` and ``Polyline``. Positions are fractions of the upright image's width and height.
    """

    name: ClassVar[str] = "fiftyone"
    place: ClassVar[str | None] = _FILE

    def write_record(self, record: ImageRecord, name: str) -> None:  # noqa: ARG002
        """Write the sample of one image.

        Raises:
            OutputError: the line cannot be written.
            ValueError: the writer is not open.
        """
        self.append(json_line(_sample(record, self.options.min_box_score)))


def _sample(record: ImageRecord, min_box_score: float) -> dict[str, Any]:
    classes = record.annotations(min_box_score)
    return {
        "filepath": os.path.abspath(record.image),  # noqa: PTH100 - resolve would follow links
        "classes": [{"label": each.name, "confidence": each.probability} for each in classes],
        "points": [label for each in classes for label in _points(each, record)],
        "boxes": [label for each in classes for label in _boxes(each, record)],
        "masks": [label for each in classes for label in _masks(each, record)],
    }


def _points(item: ClassRecord, record: ImageRecord) -> list[dict[str, Any]]:
    points = [list(point_fractions(x, y, record.size)) for x, y in item.points]
    if not points:
        return []
    return [{"label": item.name, "points": points, "confidence": [item.probability] * len(points)}]


def _boxes(item: ClassRecord, record: ImageRecord) -> list[dict[str, Any]]:
    return [
        {
            "label": item.name,
            "bounding_box": list(box_fractions(box.corners, record.size)),
            "confidence": box.score,
        }
        for box in item.boxes or ()
        if clip_corners(box.corners, record.size) is not None
    ]


def _masks(item: ClassRecord, record: ImageRecord) -> list[dict[str, Any]]:
    polygons = [] if item.mask is None else mask_polygons(decode_mask(item.mask))
    if not polygons:
        return []
    shapes = [[list(point_fractions(x, y, record.size)) for x, y in polygon.tolist()] for polygon in polygons]
    kind = {"closed": True, "filled": True}
    return [{"label": item.name, "points": shapes, "confidence": item.probability, **kind}]

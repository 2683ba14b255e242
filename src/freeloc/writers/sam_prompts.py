"""Write points and boxes as prompts for SAM, which segments the objects that they show.

``sam.jsonl`` has one object per image::

    {
      "image": "album/a.jpg",               the path of the image
      "width": 500, "height": 375,          size of the upright image in pixels, to which all coordinates refer
      "prompts": [                          one per object of a present class
        {
          "text": "dog",                    the class
          "points": [[212.4, 140.0]],       x and y of points; null for a box without a point
          "labels": [1],                    1 for each point: it lies on the object; null without points
          "box": [180.0, 96.0, 264.0, 212.0],
                                            left, top, right and bottom edge; null for a point without a box
          "score": 0.9                      score of the box, or probability of the class
        }
      ]
    }
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from freeloc.geometry.size import Size
from freeloc.writers.appending import GrowingFileWriter
from freeloc.writers.clipped_boxes import clipped_boxes
from freeloc.writers.image_record import ClassRecord, ImageRecord
from freeloc.writers.point_pairs import pair_points
from freeloc.writers.record import json_line
from freeloc.writers.record_writer import RecordWriter

__all__ = ["SamPromptsWriter"]

_FILE: Final = "sam.jsonl"


class SamPromptsWriter(RecordWriter, GrowingFileWriter):
    """Writer of ``sam.jsonl``: the prompts of the objects in each image.

    Each box with a sufficient score is a prompt, together with the point that `freeloc.writers.point_pairs`
    assigns to it. Each other point is a prompt of its own.
    """

    name: ClassVar[str] = "sam"
    place: ClassVar[str | None] = _FILE

    def write_record(self, record: ImageRecord, name: str) -> None:  # noqa: ARG002
        """Write the line of one image.

        Raises:
            OutputError: the line cannot be written.
            ValueError: the writer is not open.
        """
        present = record.annotations(self.options.min_box_score)
        prompts = [prompt for each in present for prompt in _prompts(each, record.size)]
        values = {"image": record.image, "width": record.width, "height": record.height, "prompts": prompts}
        self.append(json_line(values))


def _prompts(each: ClassRecord, size: Size) -> list[dict[str, Any]]:
    boxes = clipped_boxes(each.boxes or (), size)
    pairs = pair_points(boxes, each.points)
    alone = [point for point in each.points if point not in pairs]
    return [
        *(_prompt(each.name, point, box.corners, box.score) for box, point in zip(boxes, pairs, strict=True)),
        *(_prompt(each.name, point, None, each.probability) for point in alone),
    ]


def _prompt(
    name: str, point: tuple[float, float] | None, box: tuple[float, ...] | None, score: float | None
) -> dict[str, Any]:
    return {
        "text": name,
        "points": None if point is None else [point],
        "labels": None if point is None else [1],
        "box": box,
        "score": score,
    }

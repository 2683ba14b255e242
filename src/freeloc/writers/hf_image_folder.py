"""Write image folders as the package datasets of Hugging Face reads them.

``hf/metadata.jsonl`` has one object per image::

    {
      "file_name": "a.jpg",                 the image, relative to the folder of this file
      "width": 500, "height": 375,          size of the upright image in pixels
      "tags": ["dog"],                      present classes, most probable first
      "probabilities": [0.96],              their probabilities
      "points": {                           their points or, if peaks were requested, all of their peaks
        "xy": [[212.4, 140.0]], "categories": ["dog"]
      },
      "objects": {                          only if boxes were requested
        "bbox": [[180.0, 96.0, 84.0, 116.0]],
                                            left edge, top edge, width and height
        "categories": ["dog"], "scores": [0.9]
      }
    }
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Final

from freeloc.geometry.box_formats import left_top_size
from freeloc.io.atomic import atomic_path
from freeloc.writers.clipped_boxes import clipped_boxes
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record import json_line
from freeloc.writers.record_writer import CollectedRecords, CollectingWriter
from freeloc.writers.unicode_names import check_unicode_names

__all__ = ["HfImageFolderWriter"]

_FILE: Final = "hf/metadata.jsonl"


class HfImageFolderWriter(CollectingWriter):
    """Writer of ``hf/metadata.jsonl``, and of links or copies of the images beside it.

    The first line is about an image with boxes, if there is any, because datasets infers the types of all lists
    from the first lines. The others follow in the order of the prediction. Boxes are clipped to the image; no box
    is written twice, or without an area.
    """

    name: ClassVar[str] = "hf"
    place: ClassVar[str | None] = "hf"

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Keep the record of one image, and link or copy the image.

        Raises:
            OutputError: a file cannot be written, or a name cannot be written in the format.
        """
        source, how = Path(record.image), self.options.image_files
        file_name = image_file_name(source, name, how)
        for names, what in ((record.names, "classes"), ([file_name], "image")):
            check_unicode_names(names, self.name, what)
        if how != "none":
            target = self.path_of(f"hf/{file_name}")
            place_image(source, target, how)
            self.files.append(target)
        super().write_record(record, name)

    def write_all(self, records: CollectedRecords) -> None:
        """Write the lines of all images.

        Raises:
            OutputError: the file cannot be written.
        """
        first, most = 0, -1
        for index, (record, _) in enumerate(records):
            filled = _count_filled(self._values(record))
            if filled > most:
                first, most = index, filled
        path = self.path_of(_FILE)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for only_first in (True, False):
                for index, (record, name) in enumerate(records):
                    if (index == first) == only_first:
                        file.write(self._line(record, name))
            file.flush()
            os.fsync(file.fileno())
        self.files.append(path)

    def _line(self, record: ImageRecord, name: str) -> bytes:
        file_name = image_file_name(Path(record.image), name, self.options.image_files)
        return json_line({"file_name": file_name, **self._values(record)})

    def _values(self, record: ImageRecord) -> dict[str, Any]:
        present = record.annotations(self.options.min_box_score)
        points = [(list(point), each.name) for each in present for point in each.points]
        values: dict[str, Any] = {
            "width": record.width,
            "height": record.height,
            "tags": [each.name for each in present],
            "probabilities": [each.probability for each in present],
            "points": {"xy": [point for point, _ in points], "categories": [name for _, name in points]},
        }
        if any(each.boxes is not None for each in record.classes):
            values["objects"] = _objects(record, self.options.min_box_score)
        return values


def _count_filled(values: dict[str, Any]) -> int:
    """Return how many lists of an image are not empty."""
    lists = (values["tags"], values["points"]["xy"], values.get("objects", {}).get("bbox"))
    return sum(map(bool, lists))


def _objects(record: ImageRecord, min_box_score: float) -> dict[str, Any]:
    """Return the boxes of present classes."""
    present = record.annotations(min_box_score)
    boxes = [(each.name, box) for each in present for box in clipped_boxes(each.boxes or (), record.size)]
    return {
        "bbox": [left_top_size(box.corners) for _, box in boxes],
        "categories": [name for name, _ in boxes],
        "scores": [box.score for _, box in boxes],
    }

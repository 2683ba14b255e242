"""Write a dataset in COCO's format: images, categories, and annotations of the boxes of present classes.

Each annotation in ``coco-dataset/annotations.json`` is about one box. Besides COCO's own keys, it has ``score``.
The point in the box (`freeloc.writers.point_pairs`) is its only keypoint; a box without a point has a keypoint
that is not labeled (0, 0, 0). With masks, ``segmentation`` contains the pixels of the class in the box, as
polygons or run-length encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from freeloc.geometry.box_formats import left_top_size
from freeloc.writers.base import WriterOptions
from freeloc.writers.box_masks import mask_in_box
from freeloc.writers.clipped_boxes import clipped_boxes
from freeloc.writers.coco_ids import CocoIds
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.image_record import ClassRecord, ImageRecord
from freeloc.writers.json_object import write_json_object
from freeloc.writers.masks import decode_mask, encode_mask, mask_polygons
from freeloc.writers.point_pairs import pair_points
from freeloc.writers.record_writer import CollectedRecords, CollectingWriter

__all__ = ["CocoDatasetWriter"]


class CocoDatasetWriter(CollectingWriter):
    """Writer of ``coco-dataset/annotations.json``, and of links or copies of the images beside it.

    Boxes are clipped to the image; no box is written twice, or without an area.
    """

    name: ClassVar[str] = "coco-dataset"
    needs_boxes: ClassVar[bool] = True
    place: ClassVar[str | None] = "coco-dataset"

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Keep the record of one image, and link or copy the image.

        Raises:
            OutputError: a file cannot be written.
        """
        source, how = Path(record.image), self.options.image_files
        if how != "none":
            target = self.path_of(f"coco-dataset/images/{image_file_name(source, name, how)}")
            place_image(source, target, how)
            self.files.append(target)
        super().write_record(record, name)

    def write_all(self, records: CollectedRecords) -> None:
        """Write the annotations.

        Raises:
            OutputError: the file cannot be written.
        """
        ids = CocoIds.of(records)
        path = self.path_of("coco-dataset/annotations.json")
        values = {
            "info": {"description": "Predicted by freeloc"},
            "licenses": [],
            "categories": [
                {"id": number, "name": name, "supercategory": "", "keypoints": ["point"], "skeleton": []}
                for name, number in ids.categories.items()
            ],
        }
        lists = {
            "images": ids.image_entries(records, self.options.image_files),
            "annotations": self._annotations(records, ids),
        }
        write_json_object(path, values, lists)
        self.files.append(path)

    def _annotations(self, records: CollectedRecords, ids: CocoIds) -> Iterator[dict[str, Any]]:
        number = 0
        for image_id, (record, _) in zip(ids.images, records, strict=True):
            for each in record.annotations(self.options.min_box_score):
                for values in _of_class(each, record, self.options):
                    number += 1
                    category = ids.categories[each.name]
                    yield {"id": number, "image_id": image_id, "category_id": category, **values}


def _of_class(each: ClassRecord, record: ImageRecord, options: WriterOptions) -> Iterator[dict[str, Any]]:
    """Yield what the annotations of one class in one image say about its boxes."""
    boxes = clipped_boxes(each.boxes or (), record.size)
    mask = decode_mask(each.mask) if options.masks and each.mask is not None else None
    for box, point in zip(boxes, pair_points(boxes, each.points), strict=True):
        bbox = left_top_size(box.corners)
        segmentation: list[list[float]] | dict[str, Any] = []
        area = bbox[2] * bbox[3]
        if mask is not None:
            pixels = mask_in_box(mask, box.corners)
            if options.mask_encoding == "rle":
                segmentation = encode_mask(pixels) if pixels.any() else []
            else:
                segmentation = [polygon.reshape(-1).tolist() for polygon in mask_polygons(pixels)]
            area = float(np.count_nonzero(pixels)) if segmentation else area
        yield {
            "bbox": list(bbox),
            "area": round(area, 2),
            "iscrowd": 0,
            "segmentation": segmentation,
            "keypoints": [0, 0, 0] if point is None else [*point, 2],
            "num_keypoints": int(point is not None),
            "score": box.score,
        }

"""Write results for COCO's evaluation code: the boxes of all classes and, on request, the pixels in them.

``coco/results.json`` is a list of objects with ``image_id``, ``category_id``, ``bbox`` (left edge, top edge,
width and height in pixels of the upright image) and ``score``. With masks, ``coco/segmentations.json`` has
``segmentation`` in place of ``bbox``: the pixels of the class in each box, run-length encoded. They are two files
because the evaluation code decides by the first object of a file what the file contains. ``coco/image_info.json``
says, in COCO's format for images without annotations, which IDs the images and classes have
(`freeloc.writers.coco_ids`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from freeloc._log import get_logger
from freeloc.geometry.box_formats import left_top_size
from freeloc.writers.box_masks import mask_in_box
from freeloc.writers.coco_ids import CocoIds
from freeloc.writers.json_list import write_json_list
from freeloc.writers.json_object import write_json_object
from freeloc.writers.masks import decode_mask, encode_mask
from freeloc.writers.record_writer import CollectedRecords, CollectingWriter

__all__ = ["CocoResultsWriter"]

_log = get_logger(__name__)


class CocoResultsWriter(CollectingWriter):
    """Writer of ``coco/results.json``, with the boxes of all classes, which are present or not."""

    name: ClassVar[str] = "coco"
    needs_boxes: ClassVar[bool] = True
    place: ClassVar[str | None] = "coco"

    def write_all(self, records: CollectedRecords) -> None:
        """Write the results, and the IDs of images and classes.

        Raises:
            OutputError: a file cannot be written.
        """
        ids = CocoIds.of(records)
        info = self.path_of("coco/image_info.json")
        categories = [{"id": number, "name": name} for name, number in ids.categories.items()]
        write_json_object(info, {"categories": categories}, {"images": ids.image_entries(records, "none")})
        self.files.append(info)
        results = self.path_of("coco/results.json")
        write_json_list(results, _boxes(records, ids))
        self.files.append(results)
        if self.options.masks:
            segmentations = self.path_of("coco/segmentations.json")
            write_json_list(segmentations, _segmentations(records, ids))
            self.files.append(segmentations)
        if next(_boxes(records, ids), None) is None:
            _log.warning("%s contains no box, and pycocotools cannot load an empty list", results)


def _boxes(records: CollectedRecords, ids: CocoIds) -> Iterator[dict[str, Any]]:
    for image_id, (record, _) in zip(ids.images, records, strict=True):
        for each in record.classes:
            for box in each.boxes or ():
                yield {
                    "image_id": image_id,
                    "category_id": ids.categories[each.name],
                    "bbox": left_top_size(box.corners),
                    "score": box.score,
                }


def _segmentations(records: CollectedRecords, ids: CocoIds) -> Iterator[dict[str, Any]]:
    for image_id, (record, _) in zip(ids.images, records, strict=True):
        for each in record.present:
            if each.mask is None:
                continue
            mask = decode_mask(each.mask)
            for box in each.boxes or ():
                pixels = mask_in_box(mask, box.corners)
                if pixels.any():
                    yield {
                        "image_id": image_id,
                        "category_id": ids.categories[each.name],
                        "segmentation": encode_mask(pixels),
                        "score": box.score,
                    }

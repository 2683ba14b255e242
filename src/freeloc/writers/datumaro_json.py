"""Write annotations in the format of Datumaro, which converts them to many others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

from freeloc.geometry.box_formats import clip_corners, left_top_size
from freeloc.writers.base import WriterOptions
from freeloc.writers.class_names import check_names
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.image_record import ClassRecord, ImageRecord
from freeloc.writers.json_list import write_json_list
from freeloc.writers.masks import EDITABLE_TOLERANCE, decode_mask, mask_polygons
from freeloc.writers.record import json_text
from freeloc.writers.record_writer import CollectedRecords, CollectingWriter

__all__ = ["DatumaroWriter"]

_FOLDER: Final = "datumaro"
_SUBSET: Final = "default"
_FILE: Final = f"{_FOLDER}/annotations/{_SUBSET}.json"
_IMAGES: Final = f"{_FOLDER}/images/{_SUBSET}"

_EMPTY: Final = re.compile("^$")
_DRIVE: Final = re.compile("^[A-Za-z]:")

_FORMAT_VERSION: Final = "1.0"
_IMAGE: Final = 2
"""Datumaro's number for media that are images."""

_VISIBLE: Final = 2
"""Datumaro's number for points that are visible."""


class DatumaroWriter(CollectingWriter):
    """Writer of ``datumaro/annotations/default.json`` and ``datumaro/images/default``.

    Each present class of an image is a label; its points, boxes and mask are annotations in pixels of the upright
    image. All of them have the attribute "score": the score of a box, and the probability of the class otherwise.

    Images are copied even if links were requested, because Datumaro refuses links to files in other folders.
    """

    name: ClassVar[str] = "datumaro"
    place: ClassVar[str | None] = _FOLDER

    def check_record(self, record: ImageRecord) -> None:
        """Check that Datumaro can hold the names of the classes."""
        check_names(record.names, _EMPTY, self.name, "Datumaro refuses labels without a name")

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Keep the record of one image, and place its file."""
        check_names([name], _DRIVE, self.name, "Datumaro takes a letter and a colon for a drive", "image")
        super().write_record(record, name)
        if self.options.image_files != "none":
            file = self.path_of(f"{_IMAGES}/{self._file_name(record, name)}")
            place_image(Path(record.image), file, "copy")
            self.files.append(file)

    def write_all(self, records: CollectedRecords) -> None:
        """Write the annotations."""
        labels = [{"name": name, "parent": "", "attributes": []} for name in records.names]
        head = {
            "dm_format_version": _FORMAT_VERSION,
            "media_type": _IMAGE,
            "infos": {},
            "categories": {"label": {"labels": labels, "label_groups": [], "attributes": ["score"]}},
        }
        path = self.path_of(_FILE)
        items = (self._item(record, name) for record, name in records)
        write_json_list(path, items, before=f'{json_text(head)[:-1]}, "items": [', after="]}")
        self.files.append(path)

    def _item(self, record: ImageRecord, name: str) -> dict[str, Any]:
        file = self._file_name(record, name)
        return {
            "id": file.removesuffix(Path(file).suffix),
            "annotations": list(_annotations(record, self.options)),
            "attr": {},
            "image": {"path": file, "size": [record.height, record.width]},
        }

    def _file_name(self, record: ImageRecord, name: str) -> str:
        return image_file_name(Path(record.image), name, self.options.image_files)


def _annotations(record: ImageRecord, options: WriterOptions) -> Iterator[dict[str, Any]]:
    classes = record.annotations(options.min_box_score)
    for each in classes:
        yield _annotation("label", each, each.probability)
    for each in classes:
        for point in each.points:
            yield _annotation("points", each, each.probability, points=list(point), visibility=[_VISIBLE])
        for box in each.boxes or ():
            corners = clip_corners((box.x1, box.y1, box.x2, box.y2), record.size)
            if corners is not None:
                yield _annotation("bbox", each, box.score, bbox=list(left_top_size(corners)))
        if each.mask is not None and options.mask_encoding == "polygon":
            for polygon in mask_polygons(decode_mask(each.mask), EDITABLE_TOLERANCE):
                yield _annotation("polygon", each, each.probability, points=polygon.reshape(-1).tolist())
        elif each.mask is not None:
            rle = {"counts": each.mask.counts, "size": list(each.mask.size)}
            yield _annotation("mask", each, each.probability, rle=rle)


def _annotation(kind: str, item: ClassRecord, score: float | None, **values: Any) -> dict[str, Any]:
    drawn = {"z_order": 0, **values} if values else {}
    return {
        "id": 0,
        "type": kind,
        "attributes": {"score": score},
        "group": 0,
        "label_id": item.index,
        **drawn,
    }

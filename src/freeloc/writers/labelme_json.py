"""Write annotations for labelme and the programs that read its files, such as X-AnyLabeling."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

from PIL import Image

from freeloc.errors import OutputError
from freeloc.geometry.box_formats import clip_corners
from freeloc.io.atomic import write_text
from freeloc.writers.base import WriterOptions
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.image_record import ClassRecord, ImageRecord, MaskRecord
from freeloc.writers.masks import EDITABLE_TOLERANCE, decode_mask, mask_part, mask_polygons
from freeloc.writers.record import json_text
from freeloc.writers.record_writer import RecordWriter

__all__ = ["LabelmeWriter"]

_FOLDER: Final = "labelme"
_VERSION: Final = "5.0.0"
"""The version of labelme whose files have the same fields."""


class LabelmeWriter(RecordWriter):
    """Writer of one ``labelme/NAME.json`` per image, with the image file beside it.

    Every class is a flag of the image: true if it is present. Points, boxes and, as polygons, masks of the present
    classes are shapes in pixels of the upright image. Their ``score`` is a field of X-AnyLabeling, which labelme
    keeps. The ``tags`` of X-AnyLabeling are not written, because they would contradict a flag that is corrected.
    """

    name: ClassVar[str] = "labelme"
    place: ClassVar[str | None] = _FOLDER

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Write the file of one image, and place its image file.

        Raises:
            OutputError: a file cannot be written, or the path of the image contains a backslash, which labelme
                takes for the separator of folders.
        """
        source, how = Path(record.image), self.options.image_files
        image = f"{_FOLDER}/{image_file_name(source, name, how)}"
        path = self.path_of(f"{_FOLDER}/{name}.json")
        address = os.path.relpath(source, path.parent) if how == "none" else image.rsplit("/", 1)[-1]
        if os.sep != "\\" and "\\" in address:
            raise OutputError(
                f"the format labelme cannot hold the path {address!r}: a backslash separates folders; rename it"
            )
        if how != "none":
            file = self.path_of(image)
            place_image(source, file, how)
            self.files.append(file)
        write_text(path, json_text(_contents(record, address, self.options)) + "\n")
        self.files.append(path)


def _contents(record: ImageRecord, address: str, options: WriterOptions) -> dict[str, Any]:
    present = [each.name for each in record.present]
    return {
        "version": _VERSION,
        "flags": {name: name in present for name in record.names},
        "shapes": list(_shapes(record, options)),
        "imagePath": address,
        "imageData": None,
        "imageHeight": record.height,
        "imageWidth": record.width,
    }


def _shapes(record: ImageRecord, options: WriterOptions) -> Iterator[dict[str, Any]]:
    for each in record.annotations(options.min_box_score):
        for point in each.points:
            yield _shape(each, "point", [list(point)], each.probability)
        for box in each.boxes or ():
            corners = clip_corners((box.x1, box.y1, box.x2, box.y2), record.size)
            if corners is not None:
                yield _shape(each, "rectangle", [list(corners[:2]), list(corners[2:])], box.score)
        if each.mask is not None:
            yield from _mask_shapes(each, each.mask, exact=options.mask_encoding == "rle")


def _mask_shapes(item: ClassRecord, record: MaskRecord, *, exact: bool) -> Iterator[dict[str, Any]]:
    """Yield the outlines of a mask or, as labelme stores exact pixels, a picture of the box around it."""
    mask = decode_mask(record)
    if not exact:
        for polygon in mask_polygons(mask, EDITABLE_TOLERANCE):
            yield _shape(item, "polygon", polygon.tolist(), item.probability)
    elif (found := mask_part(mask)) is not None:
        left, top, part = found
        height, width = part.shape
        # The second point is the last pixel, not the edge behind it.
        corners = [[left, top], [left + width - 1, top + height - 1]]
        picture = io.BytesIO()
        Image.fromarray(part).save(picture, "PNG")
        encoded = base64.b64encode(picture.getvalue()).decode("ascii")
        yield {**_shape(item, "mask", corners, item.probability), "mask": encoded}


def _shape(item: ClassRecord, kind: str, points: list[list[float]], score: float | None) -> dict[str, Any]:
    return {
        "label": item.name,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "score": score,
    }

"""Write annotations for CVAT, in its format "CVAT for images 1.1"."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final
from xml.sax.saxutils import escape

from freeloc.geometry.box_formats import clip_corners
from freeloc.io.atomic import atomic_path
from freeloc.writers.base import WriterOptions
from freeloc.writers.class_names import check_names
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.image_record import ClassRecord, ImageRecord, MaskRecord
from freeloc.writers.json_list import write_json_list
from freeloc.writers.masks import EDITABLE_TOLERANCE, decode_mask, mask_part, mask_polygons, row_runs
from freeloc.writers.record_writer import CollectedRecords, CollectingWriter
from freeloc.writers.xml_text import check_xml_names, xml_attributes

__all__ = ["CvatWriter"]

_FOLDER: Final = "cvat"
_FILE: Final = f"{_FOLDER}/annotations.xml"
_LABELS: Final = f"{_FOLDER}/labels.json"
_IMAGES: Final = f"{_FOLDER}/images"

_TOO_LONG: Final = re.compile(".{65}", re.DOTALL)

_CHANGED: Final = re.compile(r"^\s|\s$|[\r\n]|^$")

_RANGE: Final = ("0", "1", "0.01")
"""Minimum, maximum and step of scores."""

_SHAPE: Final = {"source": "auto", "occluded": 0, "z_order": 0}
"""Attributes of all shapes."""


class CvatWriter(CollectingWriter):
    """Writer of ``cvat/annotations.xml``, ``cvat/labels.json`` and ``cvat/images``.

    Each present class of an image is a tag. Its points, boxes and mask are shapes in pixels of the upright image.
    All of them have the attribute "score": the score of a box, and the probability of the class otherwise. CVAT
    finds the image of each element by its name, which is the path relative to ``cvat/images``. The JSON file
    declares the labels of a new task.
    """

    name: ClassVar[str] = "cvat"
    place: ClassVar[str | None] = _FOLDER

    def check_record(self, record: ImageRecord) -> None:
        """Check that CVAT and XML can hold the names of the classes and of the image."""
        check_names(record.names, _TOO_LONG, self.name, "CVAT cuts off labels after 64 characters")
        reason = "CVAT removes blanks at their ends, and XML changes line breaks"
        check_names(record.names, _CHANGED, self.name, reason)
        check_xml_names(record.names, self.name)
        check_xml_names([record.image], self.name, "image")

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Keep the record of one image, and place its file."""
        super().write_record(record, name)
        if self.options.image_files != "none":
            file = self.path_of(f"{_IMAGES}/{self._file_name(record, name)}")
            place_image(Path(record.image), file, self.options.image_files)
            self.files.append(file)

    def write_all(self, records: CollectedRecords) -> None:
        """Write the annotations and the labels."""
        path = self.path_of(_FILE)
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(_head(records.names, len(records)))
            for index, (record, name) in enumerate(records):
                attributes = xml_attributes(
                    id=index, name=self._file_name(record, name), width=record.width, height=record.height
                )
                file.write(f"  <image{attributes}>\n")
                file.writelines(_elements(record, self.options))
                file.write("  </image>\n")
            file.write("</annotations>\n")
            file.flush()
            os.fsync(file.fileno())
        labels = self.path_of(_LABELS)
        write_json_list(labels, map(_label, records.names))
        self.files += [path, labels]

    def _file_name(self, record: ImageRecord, name: str) -> str:
        return image_file_name(Path(record.image), name, self.options.image_files)


def _label(name: str) -> dict[str, Any]:
    """Return the declaration of a label and its attribute, as in the JSON that CVAT's label editor accepts."""
    score = {
        "name": "score",
        "mutable": False,
        "input_type": "number",
        "default_value": "1",
        "values": list(_RANGE),
    }
    return {"name": name, "type": "any", "attributes": [score]}


def _head(names: tuple[str, ...], size: int) -> str:
    """Return the file up to the first image: the labels of the task."""
    values = "\n".join(_RANGE)
    score = (
        "<attribute><name>score</name><mutable>False</mutable><input_type>number</input_type>"
        f"<default_value>1</default_value><values>{values}</values></attribute>"
    )
    labels = "".join(
        f"        <label><name>{escape(name)}</name><type>any</type><attributes>{score}</attributes></label>\n"
        for name in names
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
        f"      <name>freeloc</name>\n      <size>{size}</size>\n      <mode>annotation</mode>\n"
        f"      <labels>\n{labels}      </labels>\n    </task>\n  </meta>\n"
    )


def _elements(record: ImageRecord, options: WriterOptions) -> Iterator[str]:
    classes = record.annotations(options.min_box_score)
    for each in classes:
        yield _element("tag", each, each.probability, source="auto")
    for each in classes:
        for x, y in each.points:
            yield _element("points", each, each.probability, **_SHAPE, points=f"{x:.2f},{y:.2f}")
        for box in each.boxes or ():
            corners = clip_corners((box.x1, box.y1, box.x2, box.y2), record.size)
            if corners is not None:
                edges = dict(
                    zip(("xtl", "ytl", "xbr", "ybr"), (f"{edge:.2f}" for edge in corners), strict=True)
                )
                yield _element("box", each, box.score, **_SHAPE, **edges)
        if each.mask is not None:
            yield from _mask_elements(each, each.mask, polygons=options.mask_encoding == "polygon")


def _mask_elements(item: ClassRecord, record: MaskRecord, *, polygons: bool) -> Iterator[str]:
    """Yield the outlines of a mask, or the box around it and the runs of absent and present pixels in its rows."""
    mask = decode_mask(record)
    if polygons:
        for polygon in mask_polygons(mask, EDITABLE_TOLERANCE):
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in polygon.tolist())
            yield _element("polygon", item, item.probability, **_SHAPE, points=points)
    elif (found := mask_part(mask)) is not None:
        left, top, part = found
        height, width = part.shape
        place = {"left": left, "top": top, "width": width, "height": height}
        runs = ", ".join(map(str, row_runs(part)))
        yield _element("mask", item, item.probability, **_SHAPE, rle=runs, **place)


def _element(tag: str, item: ClassRecord, score: float | None, **attributes: object) -> str:
    return (
        f"    <{tag}{xml_attributes(label=item.name, **attributes)}>\n"
        f'      <attribute name="score">{score}</attribute>\n    </{tag}>\n'
    )

"""Write tasks with predictions for Label Studio, and the configuration of the labeling interface."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote

from freeloc.geometry.box_formats import clip_corners
from freeloc.geometry.fractions import box_fractions, point_fractions
from freeloc.io.atomic import write_text
from freeloc.writers.base import WriterOptions
from freeloc.writers.class_names import check_names
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.image_record import ClassRecord, ImageRecord, MaskRecord
from freeloc.writers.json_list import write_json_list
from freeloc.writers.label_studio_brush import brush_rle
from freeloc.writers.masks import EDITABLE_TOLERANCE, decode_mask, mask_polygons
from freeloc.writers.record_writer import CollectedRecords, CollectingWriter
from freeloc.writers.xml_text import check_xml_names, xml_attributes

__all__ = ["LabelStudioWriter"]

_FOLDER: Final = "labelstudio"
_TASKS: Final = f"{_FOLDER}/tasks.json"
_CONFIGURATION: Final = f"{_FOLDER}/config.xml"
_IMAGES: Final = f"{_FOLDER}/images"

_CONTROLS: Final = {
    "points": "KeyPointLabels",
    "boxes": "RectangleLabels",
    "masks": "PolygonLabels",
    "pixels": "BrushLabels",
}
"""What can be drawn: the tag of each control in the configuration, by its name."""

_VARIABLE: Final = re.compile(r"\$[\w\[\].{}]")

_POINT_WIDTH: Final = 0.5
"""Diameter of points as Label Studio shows them, in percent of the image's width."""


class LabelStudioWriter(CollectingWriter):
    """Writer of ``labelstudio/tasks.json``, ``labelstudio/config.xml`` and ``labelstudio/images``.

    Each image is a task with one prediction: the present classes as choices, their points as keypoints, boxes as
    rectangles, and masks as polygons or, on request, as painted by the brush. Positions are percentages of the
    upright image's width and height.

    The score of a prediction, by which Label Studio can sort tasks, is that of its least certain decision: the
    lowest probability of a present class or, if it is lower, one minus the highest probability of an absent class.
    """

    name: ClassVar[str] = "labelstudio"
    place: ClassVar[str | None] = _FOLDER

    def check_record(self, record: ImageRecord) -> None:
        """Check that the configuration can hold the names of the classes."""
        check_xml_names(record.names, self.name)
        reason = "Label Studio replaces a word after $ by data of the task"
        check_names(record.names, _VARIABLE, self.name, reason)

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Keep the record of one image, and place its file."""
        super().write_record(record, name)
        source, how = Path(record.image), self.options.image_files
        if how != "none":
            file = self.path_of(f"{_IMAGES}/{image_file_name(source, name, how)}")
            place_image(source, file, how)
            self.files.append(file)

    def write_all(self, records: CollectedRecords) -> None:
        """Write the tasks and the configuration."""
        used = {"points"}
        tasks = self.path_of(_TASKS)
        write_json_list(tasks, (self._task(record, name, used) for record, name in records))
        configuration = self.path_of(_CONFIGURATION)
        write_text(configuration, _configuration(records.names, [name for name in _CONTROLS if name in used]))
        self.files += [tasks, configuration]

    def _task(self, record: ImageRecord, name: str, used: set[str]) -> dict[str, Any]:
        """Return the task of an image, and add the names of the controls that it needs."""
        regions = list(_regions(record, self.options))
        used.update(region["from_name"] for region in regions)
        for index, region in enumerate(regions, start=1):
            region["id"] = f"{region['from_name']}-{index}"
        prediction = {
            "model_version": _model_version(record),
            "score": _certainty(record),
            "result": regions,
        }
        return {"data": {"image": self._address(record, name)}, "predictions": [prediction]}

    def _address(self, record: ImageRecord, name: str) -> str:
        """Return the address of an image on the server, below the folder from which it serves files."""
        source, how = Path(record.image), self.options.image_files
        file = image_file_name(source, name, how)
        # Label Studio serves only files in a subfolder of its root.
        folder = _IMAGES if how != "none" else _common_folder(source, file)
        return f"/data/local-files/?d={quote(os.fsencode(f'{folder}/{file}'))}"


def _common_folder(source: Path, file: str) -> str:
    """Return the name of the folder to which the path ``file`` of an image is relative."""
    return Path(os.path.abspath(source)).parents[file.count("/")].name  # noqa: PTH100 - resolve follows links


def _model_version(record: ImageRecord) -> str:
    model = record.model
    known = () if model is None else (model.name, model.version)
    return " ".join(filter(None, known)) or "freeloc"


def _certainty(record: ImageRecord) -> float:
    """Return the probability with which the least certain decision about a class is right."""
    known = [(each.probability, each.present) for each in record.classes if each.probability is not None]
    return min((value if present else round(1 - value, 6) for value, present in known), default=0.0)


def _regions(record: ImageRecord, options: WriterOptions) -> Iterator[dict[str, Any]]:
    classes = record.annotations(options.min_box_score)
    if classes:
        names = [each.name for each in classes]
        score = min(each.probability or 0.0 for each in classes)
        yield _region(record, "tags", "choices", score, {"choices": names})
    for each in classes:
        for x, y in each.points:
            left, top = point_fractions(x, y, record.size)
            value = {"x": _percent(left), "y": _percent(top), "width": _POINT_WIDTH}
            yield _labeled(record, each, "points", each.probability, value)
        for box in each.boxes or ():
            corners = clip_corners(box.corners, record.size)
            if corners is None:
                continue
            fractions = box_fractions(corners, record.size)
            sides = zip(("x", "y", "width", "height"), map(_percent, fractions), strict=True)
            yield _labeled(record, each, "boxes", box.score, {**dict(sides), "rotation": 0})
        if each.mask is not None:
            yield from _masks(record, each, each.mask, exact=options.mask_encoding == "rle")


def _masks(
    record: ImageRecord, item: ClassRecord, mask_record: MaskRecord, *, exact: bool
) -> Iterator[dict[str, Any]]:
    """Yield a mask as polygons, or as what is painted with the brush."""
    mask = decode_mask(mask_record)
    if exact:
        if mask.any():
            value = {"format": "rle", "rle": brush_rle(mask)}
            yield _labeled(record, item, "pixels", item.probability, value)
        return
    for polygon in mask_polygons(mask, EDITABLE_TOLERANCE):
        corners = [point_fractions(x, y, record.size) for x, y in polygon.tolist()]
        points = [[_percent(left), _percent(top)] for left, top in corners]
        yield _labeled(record, item, "masks", item.probability, {"points": points, "closed": True})


def _labeled(
    record: ImageRecord, item: ClassRecord, control: str, score: float | None, value: dict[str, Any]
) -> dict[str, Any]:
    """Return a region that is drawn on the image."""
    kind = _CONTROLS[control].lower()
    return _region(record, control, kind, score, {**value, kind: [item.name]})


def _region(
    record: ImageRecord, control: str, kind: str, score: float | None, value: dict[str, Any]
) -> dict[str, Any]:
    return {
        "from_name": control,
        "to_name": "image",
        "type": kind,
        "original_width": record.width,
        "original_height": record.height,
        "image_rotation": 0,
        "score": score,
        "value": value,
    }


def _percent(fraction: float) -> float:
    return round(100 * fraction, 4)


def _configuration(names: tuple[str, ...], controls: list[str]) -> str:
    """Return the configuration of the labeling interface."""
    lines = ["<View>", '  <Image name="image" value="$image" zoom="true" zoomControl="true"/>']
    lines.append('  <Choices name="tags" toName="image" choice="multiple" showInline="true">')
    lines += [f"    <Choice{xml_attributes(value=name)}/>" for name in names]
    lines.append("  </Choices>")
    for control in controls:
        tag = _CONTROLS[control]
        lines.append(f'  <{tag} name="{control}" toName="image">')
        lines += [f"    <Label{xml_attributes(value=name)}/>" for name in names]
        lines.append(f"  </{tag}>")
    return "\n".join([*lines, "</View>", ""])

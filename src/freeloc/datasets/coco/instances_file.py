"""The records of a COCO instances file, read one by one and kept without outlines."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freeloc.datasets.json_records import read_records
from freeloc.errors import MalformedFileError
from freeloc.io.text import is_encodable, read_text

__all__ = ["CocoFile", "CocoImage", "CocoObject", "Corners", "Ident", "corners_from_coco", "read_coco_file"]

Corners = tuple[float, float, float, float]
"""``x1, y1, x2, y2`` in image pixels."""

Ident = int | str


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of the file."""

    ident: Ident
    file_name: str
    line: int


@dataclass(frozen=True, slots=True)
class CocoObject:
    """One annotation.

    Attributes:
        ident: its id, for messages.
        line: its line in the file.
        category: id of its category.
        crowd: COCO's flag: a group of objects.
        corners: the box, or None where boxes were not asked for.
        fault: what is wrong with it, or nothing.
    """

    ident: object
    line: int
    category: Ident
    crowd: bool
    corners: Corners | None
    fault: str = ""

    @property
    def called(self) -> str:
        """What messages call it."""
        return "an annotation" if self.ident is None else f"annotation {self.ident}"


@dataclass
class CocoFile:
    """What a COCO file says.

    Attributes:
        file: where it stands.
        boxes: whether boxes are read; without them nothing looks at a ``bbox``.
        images: the images in the file's order.
        objects: the annotations by image id, in the file's order.
        categories: names by category id.
        lost_images: line and message of each image record that names no image.
        trouble: line and message of each other record that cannot be used.
    """

    file: Path
    boxes: bool
    images: list[CocoImage] = field(default_factory=list)
    objects: dict[Ident, list[CocoObject]] = field(default_factory=lambda: defaultdict(list))
    categories: dict[int, str] = field(default_factory=dict)
    lost_images: list[tuple[int, str]] = field(default_factory=list)
    trouble: list[tuple[int, str]] = field(default_factory=list)

    def visit_image(self, record: object, line: int) -> None:
        """Take in one record of ``images``."""
        ident, name = _get(record, "id"), _get(record, "file_name")
        if _is_ident(ident) and isinstance(name, str) and name:
            self.images.append(CocoImage(ident, name, line))
        else:
            called = "an image" if ident is None else f"image {ident!r}"
            self.lost_images.append((line, f"{called} needs an id and a file_name"))

    def visit_category(self, record: object, line: int) -> None:
        """Take in one record of ``categories``."""
        ident, name = _get(record, "id"), _get(record, "name")
        name = name.strip() if isinstance(name, str) else ""
        if not isinstance(ident, int) or isinstance(ident, bool) or not name:
            self.trouble.append((line, "a category needs a whole number as id, and a name"))
        elif not is_encodable(name):
            self.trouble.append((line, f"the name of category {ident} is {name!r}, which UTF-8 cannot write"))
        elif ident in self.categories or name in self.categories.values():
            self.trouble.append((line, f"category {ident} ({name!r}) repeats an id or a name"))
        else:
            self.categories[ident] = name

    def visit_annotation(self, record: object, line: int) -> None:
        """Take in one record of ``annotations``."""
        ident, image, category = (_get(record, key) for key in ("id", "image_id", "category_id"))
        if not _is_ident(image) or not _is_ident(category):
            called = CocoObject(ident, line, 0, crowd=False, corners=None).called
            self.trouble.append((line, f"{called} needs an image_id and a category_id"))
            return
        crowd = _get(record, "iscrowd", 0)
        fault = "" if crowd in (0, 1) else f"iscrowd is {crowd!r}, not 0 or 1"
        corners = None
        if self.boxes:
            bbox = _get(record, "bbox")
            corners = _corners(bbox)
            if corners is None and not fault:
                fault = f"bbox is {bbox!r}, not [x, y, width, height]"
        self.objects[image].append(CocoObject(ident, line, category, crowd == 1, corners, fault))


def read_coco_file(file: Path, *, boxes: bool = False) -> CocoFile:
    """Read a COCO instances file; takes about twice the file's size of memory while it runs.

    Args:
        file: the JSON file.
        boxes: whether to read ``bbox``.

    Raises:
        MalformedFileError: it is no JSON, or lacks images, annotations or categories.
        FreelocError: it cannot be read.
    """
    contents = CocoFile(file, boxes)
    visitors = {
        "images": contents.visit_image,
        "annotations": contents.visit_annotation,
        "categories": contents.visit_category,
    }
    try:
        found = read_records(read_text(file), visitors)
    except json.JSONDecodeError as error:
        raise MalformedFileError(file, error.lineno, f"malformed JSON: {error.msg}") from error
    except RecursionError as error:
        raise MalformedFileError(file, None, "malformed JSON: it is nested too deep") from error
    if missing := [key for key in visitors if key not in found]:
        message = f"this is no COCO instances file: it has no {', no '.join(missing)}"
        raise MalformedFileError(file, None, message)
    return contents


def corners_from_coco(x: float, y: float, width: float, height: float) -> Corners:
    """COCO's left, top, width and height as edges in image pixels.

    Example:
        >>> corners_from_coco(10, 20, 30, 40)
        (10, 20, 40, 60)
    """
    return x, y, x + width, y + height


def _get(record: object, key: str, default: Any = None) -> Any:
    return record.get(key, default) if isinstance(record, dict) else None


def _is_ident(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _corners(bbox: object) -> Corners | None:
    # COCO's own files hold a few boxes of width or height 0, so only negative ones are wrong.
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        return None
    try:
        x, y, width, height = map(float, bbox)
    except OverflowError:
        return None
    corners = corners_from_coco(x, y, width, height)
    return corners if width >= 0 and height >= 0 and all(map(math.isfinite, corners)) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

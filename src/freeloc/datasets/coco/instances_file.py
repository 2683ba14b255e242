"""Read the records of a COCO instances file one at a time, and store them without segmentations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freeloc.datasets.class_names import clean_name
from freeloc.datasets.json_records import read_items, read_records
from freeloc.datasets.json_values import CocoId, is_null, parse_flag, parse_id, parse_numbers, parse_side
from freeloc.errors import MalformedFileError
from freeloc.geometry.box import Corners, are_in_range
from freeloc.geometry.size import Size
from freeloc.io.text import is_encodable, read_text

__all__ = ["CocoFile", "CocoImage", "CocoObject", "corners_from_coco", "read_coco_file"]

_ABSENT, _INCOMPLETE = "neg_category_ids", "not_exhaustive_category_ids"


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image record.

    Attributes:
        id: id of the image.
        file_name: file name of the image.
        line: line number of the record.
        size: the declared size; None if it is missing, null or zero.
        absent: LVIS's ``neg_category_ids``: ids of the categories of which the image contains no object; None if
            the record does not have this field.
        incomplete: LVIS's ``not_exhaustive_category_ids``: ids of the categories of which not all objects are
            annotated.
        problem: what is wrong with the record; empty if it is valid.
        size_problem: what is wrong with the declared size, which matters only if boxes are read.
        from_address: whether the file name is the end of an address; its folder may then be left out.
    """

    id: CocoId
    file_name: str
    line: int
    size: Size | None = None
    absent: tuple[CocoId, ...] | None = None
    incomplete: tuple[CocoId, ...] = ()
    problem: str = ""
    size_problem: str = ""
    from_address: bool = False


@dataclass(frozen=True, slots=True)
class CocoObject:
    """One annotation record.

    Attributes:
        name: name of the record in messages, such as "annotation 55".
        line: line number of the record.
        category: id of the object's category.
        crowd: whether the box is ignored: COCO's flag ``iscrowd`` for a box around a group of objects, or the flag
            ``ignore`` of files derived from COCO's.
        corners: the box, or None if boxes are not read.
        problem: what is wrong with the record; empty if it is valid.
    """

    name: str
    line: int
    category: CocoId
    crowd: bool
    corners: Corners | None
    problem: str = ""


@dataclass
class CocoFile:
    """Contents of a COCO file.

    Attributes:
        file: path of the file.
        boxes: whether ``bbox`` fields are read.
        images: the images, in the order of the file.
        objects: the annotations by image id, in the order of the file.
        categories: category names by category id.
        bad_images: line number and message for each image record that lacks an id or a file name.
        problems: line number and message for each invalid record of any other kind.
        has_boxes: whether any annotation has a ``bbox``; False if ``bbox`` fields are not read.
    """

    file: Path
    boxes: bool
    images: list[CocoImage] = field(default_factory=list)
    objects: dict[CocoId, list[CocoObject]] = field(default_factory=lambda: defaultdict(list))
    categories: dict[int, str] = field(default_factory=dict)
    bad_images: list[tuple[int, str]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    has_boxes: bool = False

    @property
    def lacks_boxes(self) -> bool:
        """Whether boxes were to be read from annotations none of which has one: the objects are only tags."""
        return self.boxes and bool(self.objects) and not self.has_boxes

    def add_image(self, record: object, line: int) -> None:
        """Add one record of ``images``."""
        image_id, file_name = parse_id(_get(record, "id")), _file_name(record)
        if image_id is None or not file_name:
            name = "an image" if image_id is None else f"image {image_id!r}"
            self.bad_images.append((line, f"{name} needs an id and a file_name"))
            return
        lists = {key: _parse_ids(_get(record, key)) for key in (_ABSENT, _INCOMPLETE)}
        wrong = [key for key, ids in lists.items() if ids is None]
        sides = {key: parse_side(_get(record, key)) for key in ("width", "height")}
        wrong_sides = [key for key, side in sides.items() if side is None]
        width, height = sides["width"], sides["height"]
        self.images.append(
            CocoImage(
                image_id,
                file_name,
                line,
                Size(width, height) if width and height else None,
                None if is_null(_get(record, _ABSENT)) else lists[_ABSENT],
                lists[_INCOMPLETE] or (),
                f"{wrong[0]} is {_get(record, wrong[0])!r}, not a list of category ids" if wrong else "",
                f"{wrong_sides[0]} is {_get(record, wrong_sides[0])!r}, not a whole number of pixels"
                if wrong_sides
                else "",
                from_address=_get(record, "file_name") is None,
            )
        )

    def add_category(self, record: object, line: int) -> None:
        """Add one record of ``categories``."""
        category_id, name = parse_id(_get(record, "id")), _get(record, "name")
        name = clean_name(name) if isinstance(name, str) else ""
        if not isinstance(category_id, int) or not name:
            self.problems.append((line, "a category needs an integer id and a name"))
        elif not is_encodable(name):
            message = f"the name of category {category_id} is {name!r}, which UTF-8 cannot encode"
            self.problems.append((line, message))
        elif category_id in self.categories or name in self.categories.values():
            self.problems.append((line, f"category {category_id} ({name!r}) repeats an id or a name"))
        else:
            self.categories[category_id] = name

    def add_annotation(self, record: object, line: int) -> None:
        """Add one record of ``annotations``."""
        annotation_id, image, category = (
            parse_id(_get(record, key)) for key in ("id", "image_id", "category_id")
        )
        name = "an annotation" if annotation_id is None else f"annotation {annotation_id}"
        if image is None or category is None:
            self.problems.append((line, f"{name} needs an image_id and a category_id"))
            return
        flags = {key: parse_flag(_get(record, key)) for key in ("iscrowd", "ignore")}
        wrong = [key for key, flag in flags.items() if flag is None]
        problem = f"{wrong[0]} is {_get(record, wrong[0])!r}, not 0 or 1" if wrong else ""
        corners = None
        if self.boxes:
            bbox = _get(record, "bbox")
            self.has_boxes |= bbox != [] and not is_null(bbox)
            corners = _parse_corners(bbox)
            if corners is None and not problem:
                problem = f"bbox is {bbox!r}, not [x, y, width, height]"
        self.objects[image].append(CocoObject(name, line, category, any(flags.values()), corners, problem))


def read_coco_file(file: Path, *, boxes: bool = False) -> CocoFile:
    """Read a COCO instances file; this requires about twice as much memory as the file's size.

    Args:
        file: the JSON file.
        boxes: whether to read ``bbox`` fields.

    Raises:
        MalformedFileError: the file is not valid JSON, or lacks images, annotations or categories.
        DatasetError: the file cannot be read.
    """
    contents = CocoFile(file, boxes)
    visitors = {
        "images": contents.add_image,
        "annotations": contents.add_annotation,
        "categories": contents.add_category,
    }
    text = read_text(file)
    if text.lstrip().startswith("["):
        read_items(file, text, lambda *_: None)  # says where the list is cut off or damaged
        reason = (
            "the file contains a JSON list, and not the object of a COCO file: if it is an export of Label "
            "Studio, its first task is incomplete, so export the project again"
        )
        raise MalformedFileError(file, 1, reason)
    keys = read_records(file, text, visitors)
    if missing := [key for key in visitors if key not in keys]:
        reason = f"this is not a COCO instances file: it has no {', no '.join(missing)}"
        raise MalformedFileError(file, None, reason)
    return contents


def corners_from_coco(x: float, y: float, width: float, height: float) -> Corners:
    """Convert the left edge, top edge, width and height of a COCO box to edges in image coordinates.

    Example:
        >>> corners_from_coco(10, 20, 30, 40)
        (10, 20, 40, 60)
    """
    return x, y, x + width, y + height


def _get(record: object, key: str) -> Any:
    return record.get(key) if isinstance(record, dict) else None


def _file_name(record: object) -> str:
    """Return the file name of an image record, or an empty string if it has none.

    LVIS gives only the address of the image on COCO's server, which ends with the split's folder and the name.
    """
    name, address = _get(record, "file_name"), _get(record, "coco_url")
    if name is None and isinstance(address, str):
        return "/".join(address.split("/")[-2:])
    return name if isinstance(name, str) else ""


def _parse_ids(value: object) -> tuple[CocoId, ...] | None:
    """Return a list of ids, which is empty for null, or None if the value is not a list of ids."""
    if is_null(value):
        return ()
    ids = [parse_id(each) for each in value] if isinstance(value, list) else [None]
    return tuple(each for each in ids if each is not None) if None not in ids else None


def _parse_corners(bbox: object) -> Corners | None:
    # The official COCO files contain a few boxes of width or height 0, so only negative sizes are errors.
    numbers = parse_numbers(bbox, 4)
    if numbers is None:
        return None
    x, y, width, height = numbers
    corners = corners_from_coco(x, y, width, height)
    return corners if width >= 0 and height >= 0 and are_in_range(corners) else None

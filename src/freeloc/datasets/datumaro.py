"""The dataset format of Datumaro: JSON files in the folder ``annotations``, one for each subset.

A class is present in an image if the image has a label, or a shape with the label, of this class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from freeloc.datasets.annotated_images import AnnotatedImage, ImageObject, build_dataset
from freeloc.datasets.builder import DatasetBuilder
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.file_outline import outline_json, read_beginning
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.images_folder import find_image_or_id
from freeloc.datasets.json_records import read_records
from freeloc.datasets.json_values import is_null, parse_id, parse_numbers, parse_side
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.tags.rows import RowProblem
from freeloc.errors import DatasetError, MalformedFileError
from freeloc.geometry.box import Corners, are_in_range
from freeloc.geometry.size import Size
from freeloc.io.paths import is_file
from freeloc.io.text import read_text

__all__ = ["DatumaroFormat"]

_FILES_TO_TRY: Final = 20
_FOLDER: Final = "annotations"
_VERSION: Final = "1.0"
_NOWHERE: Final = (0.0, 0.0, -1.0, -1.0)
_VERSIONS: Final = (None, "legacy", _VERSION)


class DatumaroFormat(DatasetFormat):
    """Dataset format of Datumaro.

    The classes are the labels among the categories, in their order. Images are looked up in the folder given by
    the option ``images`` or, without it, in ``images/`` with or without the name of their subset.
    """

    layout = "Datumaro: a folder with annotations/*.json, or such a file"

    def detect(self, path: Path) -> bool:
        """Return whether a path is a file of Datumaro, or a folder with one among its first annotations."""
        return any(map(_is_datumaro_file, islice(_json_files(path), _FILES_TO_TRY)))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the file, or those of all subsets."""
        files = [path] if path.is_file() else [file for file in _json_files(path) if _is_datumaro_file(file)]
        if not files:
            raise DatasetError(f"{path} is not a folder of Datumaro; expected {self.layout}", path=path)
        builder = DatasetBuilder(path, options)
        contents = []
        for file in files:
            try:
                contents.append(_read_file(file, boxes=options.boxes))
            except MalformedFileError as error:
                builder.add_fatal_problem("malformed_file", error.file, error.line, error.reason)
        known = tuple(dict.fromkeys(name for each in contents for name in each.labels))
        images = [_image_of(item, each, options) for each in contents for item in each.items]
        return build_dataset(path.stem if path.is_file() else path.resolve().name, images, known, builder)


def _json_files(path: Path) -> list[Path]:
    """Return the JSON files at a path."""
    return [path] if path.is_file() else sorted(filter(is_file, (path / _FOLDER).glob("*.json")))


def _is_datumaro_file(file: Path) -> bool:
    if file.suffix.lower() != ".json":
        return False
    outline = outline_json(read_beginning(file))
    return outline.kind == "object" and (
        {"categories", "items"} <= outline.keys or "dm_format_version" in outline.keys
    )


@dataclass(slots=True)
class _Item:
    """One item, with the index of a label in place of each name.

    Attributes:
        line: line number of the item.
        name: path of the image, or its id.
        size: the declared size, or None.
        labels: indices of the labels.
        objects: the index, the box and the flags of each shape.
        problems: problems with the item.
    """

    line: int
    name: str
    size: Size | None = None
    labels: list[int] = field(default_factory=list)
    objects: list[tuple[int, Corners | None, Mapping[str, Any]]] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    """Contents of a file: its items, and the names of labels by index."""

    file: Path
    items: list[_Item] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def _read_file(file: Path, *, boxes: bool) -> _File:
    """Read a file item by item.

    Raises:
        MalformedFileError: the file is not valid JSON, of another version, or not of Datumaro.
        DatasetError: the file cannot be read.
    """
    contents = _File(file)
    values: dict[str, Any] = {"categories": None, "dm_format_version": None}

    def add(record: object, line: int) -> None:
        contents.items.append(_read_item(record, line, boxes=boxes))

    keys = read_records(file, read_text(file), {"items": add}, values)
    version = values["dm_format_version"]
    if version not in _VERSIONS:
        reason = (
            f"dm_format_version is {version!r}, not {_VERSION!r}: export the dataset with another version"
        )
        raise MalformedFileError(file, None, f"{reason} of Datumaro")
    try:
        names = [clean_name(label["name"]) for label in values["categories"]["label"]["labels"]]
    except (KeyError, TypeError, AttributeError):
        names = []
    if "items" not in keys or not names or not all(names) or len(set(names)) < len(names):
        reason = (
            "this is not a file of Datumaro: it needs items, and categories with different names of labels"
        )
        raise MalformedFileError(file, None, f"{reason}; export the dataset again")
    contents.labels = names
    return contents


def _read_item(record: object, line: int, *, boxes: bool) -> _Item:
    annotations = record.get("annotations") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(annotations, list):
        return _Item(
            line, "", problems=[RowProblem("malformed_row", "the item is not an object with annotations")]
        )
    media = record.get("image") or record.get("media")
    media = media if isinstance(media, dict) else {}
    path, item_id = media.get("path"), record.get("id")
    name = path if _is_name(path) else item_id if _is_name(item_id) else ""
    item = _Item(line, str(name))
    if not item.name:
        item.problems.append(RowProblem("bad_value", "the item has neither an image with a path nor an id"))
    sides = media.get("size")
    if not is_null(sides):
        height, width = (
            map(parse_side, sides) if isinstance(sides, list) and len(sides) == 2 else (None, None)
        )
        item.size = Size(width, height) if width and height else None
        if boxes and (width is None or height is None):
            message = f"the size of the image is {sides!r}, not [height, width] in whole pixels"
            item.problems.append(RowProblem("bad_value", message))
    for annotation in annotations:
        _read_annotation(annotation, item, boxes=boxes)
    return item


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _read_annotation(annotation: object, item: _Item, *, boxes: bool) -> None:
    kind = annotation.get("type") if isinstance(annotation, dict) else None
    if not isinstance(annotation, dict) or not isinstance(kind, str):
        item.problems.append(RowProblem("malformed_row", "an annotation is not an object with a type"))
        return
    written = annotation.get("label_id")
    if is_null(written):
        return  # captions, and shapes without a label
    label = parse_id(written)
    if not isinstance(label, int):
        item.problems.append(RowProblem("bad_value", f"label_id is {written!r}, not the number of a label"))
    elif kind == "label":
        item.labels.append(label)
    else:
        found = _corners_of(kind, annotation) if boxes else None
        if isinstance(found, RowProblem):
            item.problems.append(found)
            found = None
        attributes = annotation.get("attributes")
        item.objects.append((label, found, attributes if isinstance(attributes, dict) else {}))


def _corners_of(kind: str, annotation: Mapping[str, Any]) -> Corners | RowProblem | None:
    """Return the box of a shape, None if shapes of its kind have none, or a problem."""
    attributes = annotation.get("attributes")
    rotation = attributes.get("rotation") if isinstance(attributes, dict) else None
    if kind == "rotated_bbox" or rotation not in (None, 0):
        return RowProblem("bad_value", f"a {kind} is rotated: draw it again without rotation")
    if kind == "bbox":
        x, y, width, height = parse_numbers(annotation.get("bbox"), 4) or _NOWHERE
        corners = x, y, x + width, y + height
    elif kind in ("polygon", "ellipse"):
        points = parse_numbers(annotation.get("points")) or ()
        xs, ys = points[::2], points[1::2]
        corners = (min(xs), min(ys), max(xs), max(ys)) if xs and len(xs) == len(ys) else _NOWHERE
    else:
        return None
    if corners[0] > corners[2] or corners[1] > corners[3] or not are_in_range(corners):
        return RowProblem("bad_value", f"a {kind} has no valid position: draw it again")
    return corners


def _image_of(item: _Item, contents: _File, options: OpenOptions) -> AnnotatedImage:
    labels, count = contents.labels, len(contents.labels)
    used = dict.fromkeys([*item.labels, *(label for label, _, _ in item.objects)])
    problems = [
        *item.problems,
        *(
            RowProblem("unknown_class", f"label_id {label} is not among the {count} labels")
            for label in used
            if not 0 <= label < count
        ),
    ]
    return AnnotatedImage(
        contents.file,
        item.line,
        _find_image(item.name, contents.file, options) if item.name else None,
        contents.file.stem,
        tags=tuple(labels[label] for label in item.labels if 0 <= label < count),
        objects=tuple(_objects_of(item, labels)),
        size=item.size,
        problems=tuple(problems),
        prefix=f"item {item.name}: " if item.name else "",
    )


def _objects_of(item: _Item, labels: Sequence[str]) -> Iterator[ImageObject]:
    for label, corners, attributes in item.objects:
        if 0 <= label < len(labels):
            difficult, crowd = (attributes.get(key) in (True, 1) for key in ("difficult", "is_crowd"))
            yield ImageObject(labels[label], item.line, corners, difficult, crowd, has_sides=True)


def _find_image(name: str, file: Path, options: OpenOptions) -> Path:
    root = file.parent.parent if file.parent.name == _FOLDER else file.parent
    usual = (root / "images" / file.stem, root / "images", root / file.stem, root)
    folders = usual if options.images is None else (options.images, options.images / file.stem)
    return find_image_or_id(folders, name)

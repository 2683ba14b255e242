"""The dataset format of labelme and X-AnyLabeling: one JSON file per image, with flags, tags and shapes.

A class is present in an image if its flag is true, or if the image has a tag or a shape with its name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from freeloc._log import get_logger
from freeloc.datasets.annotated_images import AnnotatedImage, ImageObject, build_dataset, names_in
from freeloc.datasets.builder import DatasetBuilder
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.file_outline import outline_json, read_beginning
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.images_folder import find_image
from freeloc.datasets.json_values import parse_numbers, parse_side
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.tags.cells import check_tags
from freeloc.datasets.tags.class_folders import is_image_name, subfolders
from freeloc.datasets.tags.rows import RowProblem, is_split_name
from freeloc.errors import DatasetError, MalformedFileError
from freeloc.geometry.box import Corners, are_in_range
from freeloc.geometry.size import Size
from freeloc.images.find import is_system_name
from freeloc.io.paths import is_file
from freeloc.io.text import read_text

__all__ = ["LabelmeFormat"]

_log = get_logger(__name__)

_FILES_TO_TRY: Final = 20
_NO_CLASSES: Final = frozenset(("__ignore__", "_background_"))
"""Names that labelme reserves."""

_POINTS: Final = {"rectangle": (2, 4), "mask": (2,), "circle": (2,), "quadrilateral": (4,)}
"""Number of points of the shapes that have a fixed one."""

_TURNED: Final = ("rotation", "oriented_rectangle")
"""Rotated rectangles of X-AnyLabeling and of labelme."""


class LabelmeFormat(DatasetFormat):
    """Dataset format of labelme and X-AnyLabeling.

    The classes are all flags, tags and labels of shapes, sorted. An image is looked up in the folder given by the
    option ``images``, or else relative to its JSON file. Images without a JSON file are left out. A top folder
    whose name usually denotes a split is a split.
    """

    layout = "labelme and X-AnyLabeling: a folder with a file *.json per image, or such a file"

    def detect(self, path: Path) -> bool:
        """Return whether a path is a file of labelme, or a folder that has one among its first or in a split."""
        if path.is_file():
            return _is_labelme_file(path)
        folders = (path, *(folder for folder in subfolders(path) if is_split_name(folder.name)))
        files = (file for folder in folders for file in _json_files(folder))
        return any(map(_is_labelme_file, islice(files, _FILES_TO_TRY)))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read all JSON files."""
        builder = DatasetBuilder(path, options)
        files = [path] if path.is_file() else _all_files(path)
        if not files:
            raise DatasetError(f"{path} has no JSON files; expected {self.layout}", path=path)
        images = [_read_image(file, path, options) for file in files]
        flags = {name for image in images for name in image.absent or ()}
        flags |= {name for image in images for name in image.unknown}
        images = [_with_labels(image, flags) for image in images]
        if path.is_dir() and (others := _count_images(path) - len(files)) > 0:
            _log.warning("%s: images without a JSON file are left out: %d", path, others)
        known = tuple(sorted({*flags, *names_in(images)}))
        name = path.resolve().name if path.is_dir() else path.stem
        return build_dataset(name, images, known, builder)


def _json_files(folder: Path) -> Iterator[Path]:
    """Yield the JSON files that are directly in a folder, in any order, because only some are needed."""
    return (file for file in folder.glob("*.json") if is_file(file) and not is_system_name(file.name))


def _all_files(path: Path) -> list[Path]:
    """Return the JSON files in a folder and its subfolders."""
    found = filter(is_file, path.rglob("*.json"))
    return sorted(file for file in found if not any(map(is_system_name, file.relative_to(path).parts)))


def _is_labelme_file(file: Path) -> bool:
    if file.suffix.lower() != ".json":
        return False
    outline = outline_json(read_beginning(file))
    return (
        outline.kind == "object"
        and "shapes" in outline.keys
        and not outline.keys.isdisjoint(("version", "flags", "imagePath"))
    )


def _count_images(path: Path) -> int:
    return sum(is_image_name(file.name) for file in path.rglob("*"))


def _read_image(file: Path, root: Path, options: OpenOptions) -> AnnotatedImage:
    """Read one file; classes with a flag are in ``absent`` or ``unknown``, whether it is false or true."""
    parts = file.relative_to(root).parts if file != root else ()
    split = parts[0] if len(parts) > 1 and is_split_name(parts[0]) else None
    try:
        record = _parse(file)
    except MalformedFileError as error:
        problem = RowProblem("malformed_file", error.reason)
        return AnnotatedImage(file, error.line, None, split, problems=(problem,))
    problems: list[RowProblem] = []
    flags = _read_flags(record.get("flags"), problems)
    tags = check_tags(record.get("tags"), "tags", problems)
    objects = tuple(_read_shapes(record["shapes"], options.boxes, problems))
    size = _read_size(record, problems if options.boxes else [])
    name = record.get("imagePath")
    if not isinstance(name, str) or not name:
        problems.insert(0, RowProblem("bad_value", f"imagePath is {name!r}, not the name of the image"))
        return AnnotatedImage(file, None, None, split, problems=tuple(problems))
    return AnnotatedImage(
        file,
        None,
        find_image((options.images or file.parent,), name),
        split,
        tags=(*(name for name, flag in flags.items() if flag), *tags),
        absent=tuple(name for name, flag in flags.items() if not flag),
        unknown=tuple(name for name, flag in flags.items() if flag),
        objects=objects,
        size=size,
        problems=tuple(problems),
    )


def _with_labels(image: AnnotatedImage, flags: set[str]) -> AnnotatedImage:
    """Return an image in which the classes are unknown that have a flag in other images, but not in this one."""
    own = {*(image.absent or ()), *image.unknown}
    return replace(image, absent=None, unknown=tuple(sorted(flags - own)))


def _parse(file: Path) -> dict[str, Any]:
    """Return the object in a file.

    Raises:
        MalformedFileError: the file is not JSON, or not of labelme.
    """
    try:
        record = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise MalformedFileError(file, error.lineno, f"malformed JSON: {error.msg}") from error
    except RecursionError as error:
        raise MalformedFileError(file, None, "malformed JSON: it is nested too deeply") from error
    except ValueError as error:
        raise MalformedFileError(file, None, "malformed JSON: a number has too many digits") from error
    if not isinstance(record, dict) or not isinstance(record.get("shapes"), list):
        reason = (
            "this is not a file of labelme or X-AnyLabeling: it has no list of shapes; save it there again, or "
            "move the file elsewhere"
        )
        raise MalformedFileError(file, None, reason)
    return record


def _read_flags(value: object, problems: list[RowProblem]) -> dict[str, bool]:
    """Return the flags of the image by class."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(flag, bool) for flag in value.values()):
        problems.append(
            RowProblem("bad_value", f"flags is {value!r}, not an object with true or false by class")
        )
        return {}
    return {
        name: flag for key, flag in value.items() if (name := clean_name(key)) and name not in _NO_CLASSES
    }


def _read_size(record: Mapping[str, Any], problems: list[RowProblem]) -> Size | None:
    sides = [parse_side(record.get(key)) for key in ("imageWidth", "imageHeight")]
    if None in sides:
        written = f"{record.get('imageWidth')!r} and {record.get('imageHeight')!r}"
        message = f"imageWidth and imageHeight are {written}, not whole numbers of pixels"
        problems.append(RowProblem("bad_value", message))
    return Size(sides[0], sides[1]) if sides[0] and sides[1] else None


def _read_shapes(shapes: Sequence[Any], boxes: bool, problems: list[RowProblem]) -> Iterator[ImageObject]:
    for number, shape in enumerate(shapes, start=1):
        label = shape.get("label") if isinstance(shape, dict) else None
        name = clean_name(label) if isinstance(label, str) else ""
        if not name:
            problems.append(RowProblem("bad_value", f"shape {number} has no label"))
            continue
        if name in _NO_CLASSES:
            continue
        corners = None
        if boxes:
            found = _corners_of(shape, f"shape {number} ({name!r})")
            if isinstance(found, RowProblem):
                problems.append(found)
            else:
                corners = found
        yield ImageObject(name, corners=corners, difficult=shape.get("difficult") is True)


def _corners_of(shape: Mapping[str, Any], what: str) -> Corners | RowProblem | None:
    """Return the box around a shape, None if shapes of its kind have none, or a problem."""
    kind = shape.get("shape_type") or "polygon"
    if kind in _TURNED:
        return RowProblem("bad_value", f"{what} is a rotated rectangle: draw it again as a rectangle")
    if kind not in (*_POINTS, "polygon"):
        return None
    written = shape.get("points")
    parsed = [parse_numbers(point, 2) for point in written] if isinstance(written, list) else []
    points = [(point[0], point[1]) for point in parsed if point is not None]
    count_is_right = len(points) in _POINTS.get(kind, (len(points),))
    if not points or not count_is_right or None in parsed:
        return RowProblem("bad_value", f"the points of {what} are not those of a {kind}: draw it again")
    if kind == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        points = [(x - radius, y - radius), (x + radius, y + radius)]
    xs, ys = zip(*points, strict=True)
    corners = min(xs), min(ys), max(xs), max(ys)
    if not are_in_range(corners):
        return RowProblem("bad_value", f"{what} is larger than any image")
    return corners

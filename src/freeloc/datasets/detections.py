"""What any detector found in the images of a data set: COCO results JSON, or the VOC devkit's files."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from freeloc.datasets.coco import reader as coco
from freeloc.datasets.coco.instances_file import Corners, Ident, corners_from_coco
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.json_records import read_records
from freeloc.datasets.problems import DataProblems, Problem, ProblemList
from freeloc.datasets.voc.results import ResultRow, detection_rows, is_results_name, results_files
from freeloc.errors import FreelocError, MalformedFileError
from freeloc.io.text import read_text
from freeloc.metrics.detections import Detections

__all__ = ["read_detections"]

_AMBIGUOUS, _LEFT_OUT = -1, -2
"""In a table of ids: several images share it; the data set does not hold it, and rightly so."""


def read_detections(
    path: str | os.PathLike[str],
    dataset: Dataset,
    *,
    data: str | os.PathLike[str] | None = None,
    split: str | None = None,
    format: str = "auto",  # noqa: A002 - the word of `open_dataset`
) -> Detections:
    """Read the boxes that a detector found.

    Two forms are told apart by looking:

    * COCO results: a JSON list of ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``.
      Where ``data`` is a COCO data set, the ids are those of its file. Elsewhere ``category_id`` counts the
      data set's classes from 1, or is a class's name, and ``image_id`` is an image's file name, with or
      without ending, or the number in it (6 for ``000006.jpg``, 2008000015 for ``2008_000015.jpg``, 42 for
      ``COCO_val2014_000000000042.jpg``).
    * VOC results: a folder with files such as ``comp3_det_val_dog.txt``, or one of these files, whose siblings
      are found. Lines are ``image_id score xmin ymin xmax ymax`` in pixels from 1, both ends included. A class
      without a file has no detections.

    Boxes of images and classes that the COCO file has and the data set does not hold are left out. Where
    images of the data set were left out as bad, so are as many unknown ones here.

    Args:
        path: the results.
        dataset: the images and classes that were searched.
        data: where the data set was opened from; it is asked for the ids if it is COCO.
        split: which split of ``data``.
        format: how ``data`` is laid out.

    Returns:
        The boxes in the order of the files; edges in pixels of the upright image.

    Raises:
        DataProblems: a line or record cannot be read, or names no image or class; names all of them.
        FreelocError: there are no results at ``path``, or they are in neither form.

    Example:
        ::

            val = open_dataset("coco", split="val2017", boxes=True)
            found = read_detections("results.json", val, data="coco", split="val2017")
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise FreelocError(f"there is no file or folder {place}: give a detector's results")
    problems = ProblemList(place)
    if place.is_dir() or is_results_name(place.name, "det"):
        rows = detection_rows(results_files(place, "det", dataset.classes), problems)
        ids = _Ids(_by_name(dataset), {name: label for label, name in enumerate(dataset.classes)})
    else:
        rows = _coco_rows(place, problems)
        root = None if data is None else Path(data).expanduser()
        if root is not None and (format == "coco" or (format == "auto" and coco.CocoFormat().detect(root))):
            ids = _of_coco(coco.read_ids(root, split), dataset)
        else:
            ids = _Ids(_by_name(dataset, numbers=True), _by_number(dataset))
    return _resolved(rows, ids, dataset, problems)


# --- from ids to images and classes ------------------------------------------------------------------


@dataclass(frozen=True)
class _Ids:
    """What results call images and classes.

    Attributes:
        images: place of each image in the data set, or why it has none.
        categories: place of each class, or why it has none.
        of_file: whether the numbers are those of the data set's own file.
    """

    images: Mapping[Ident, int]
    categories: Mapping[Ident, int]
    of_file: bool = False


def _by_name(dataset: Dataset, *, numbers: bool = False) -> dict[Ident, int]:
    """Places of the images by file name, by file name without ending, and by the number in it."""
    places: dict[Ident, int] = {}
    for index, sample in enumerate(dataset):
        keys: set[Ident] = {sample.path.name, sample.path.stem}
        if numbers and (number := _number_in(sample.path.stem)) is not None:
            keys.add(number)
        for key in keys:
            places[key] = _AMBIGUOUS if key in places else index
    return places


def _number_in(stem: str) -> int | None:
    digits = stem.replace("_", "")
    if not digits.isdecimal():
        # COCO's older names hold a year before the number.
        digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits.isdecimal() and len(digits) < 100 else None


def _by_number(dataset: Dataset) -> dict[Ident, int]:
    labels: dict[Ident, int] = {name: label for label, name in enumerate(dataset.classes)}
    return labels | {label + 1: label for label in range(len(dataset.classes))}


def _of_coco(ids: coco.CocoIds, dataset: Dataset) -> _Ids:
    named: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(dataset):
        named[sample.path.name].append(index)
    images: dict[Ident, int] = {}
    for ident, file_name in ids.images.items():
        parts = _parts(file_name)
        fitting = [
            index
            for index in named.get(parts[-1], ())
            if dataset.samples[index].path.parts[-len(parts) :] == parts
        ]
        images[ident] = fitting[0] if len(fitting) == 1 else _AMBIGUOUS if fitting else _LEFT_OUT
    labels = {name: label for label, name in enumerate(dataset.classes)}
    categories: dict[Ident, int] = {}
    for name, number in ids.categories.items():
        categories[name] = categories[number] = labels.get(name, _LEFT_OUT)
    return _Ids(images, categories, of_file=True)


def _parts(file_name: str) -> tuple[str, ...]:
    return tuple(part for part in Path(os.path.normpath(file_name.replace("\\", "/"))).parts if part != "..")


def _resolved(rows: Iterator[ResultRow], ids: _Ids, dataset: Dataset, problems: ProblemList) -> Detections:
    positions: list[int] = []
    label: list[int] = []
    score: list[float] = []
    boxes: list[Corners] = []
    strangers: dict[Ident, ResultRow] = {}
    strange_classes: set[Ident] = set()
    for row in rows:
        image, category = ids.images.get(row.image), ids.categories.get(row.category)
        if image == _AMBIGUOUS:
            message = f"image {row.image!r} could be several images of {dataset.name}"
            problems.add("bad_value", row.file, row.line, message, lasting=True)
        elif image is None:
            strangers.setdefault(row.image, row)
        if category is None and row.category not in strange_classes:
            strange_classes.add(row.category)
            known = "an id of its file" if ids.of_file else f"1 to {len(dataset.classes)}, or a name"
            message = f"category_id {row.category!r} is no class of {dataset.name}: give {known}"
            problems.add("unknown_class", row.file, row.line, message, lasting=True)
        if image is not None and category is not None and image >= 0 and category >= 0:
            positions.append(image)
            label.append(category)
            score.append(row.score)
            boxes.append(row.corners)
    # Images that were left out as bad can still have been searched.
    if len(strangers) > dataset.skipped:
        for row in strangers.values():
            message = f"image {row.image!r} is no image of {dataset.name}"
            problems.add("bad_value", row.file, row.line, message, lasting=True)
    problems.settle(skip_bad=False)
    return Detections.build(positions, label, score, boxes)


# --- COCO results -----------------------------------------------------------------------------------------


def _coco_rows(file: Path, problems: ProblemList) -> Iterator[ResultRow]:
    try:
        text = read_text(file)
        if not text.lstrip(" \t\r\n").startswith("["):
            raise FreelocError(
                f"{file} holds no detections: give a JSON list of image_id, category_id, bbox and score, "
                "or files like comp3_det_val_dog.txt"
            )
        found: list[tuple[object, int]] = []
        # The list is dressed as an object in front, on the same line, so that lines stay what they are.
        read_records(f'{{"": {text}}}', {"": lambda record, line: found.append((record, line))})
    except MalformedFileError as error:
        raise DataProblems(file, [Problem.of(error)], lasting=1) from error
    except json.JSONDecodeError as error:
        malformed = MalformedFileError(file, error.lineno, f"malformed JSON: {error.msg}")
        raise DataProblems(file, [Problem.of(malformed)], lasting=1) from error
    except RecursionError as error:
        malformed = MalformedFileError(file, None, "malformed JSON: it is nested too deep")
        raise DataProblems(file, [Problem.of(malformed)], lasting=1) from error
    for record, line in found:
        row = _row(file, record, line)
        if isinstance(row, str):
            problems.add("malformed_row", file, line, row, lasting=True)
        else:
            yield row


def _row(file: Path, record: object, line: int) -> ResultRow | str:
    """One record as a row, or what is wrong with it."""
    if not isinstance(record, dict):
        return f"{record!r} is no object with image_id, category_id, bbox and score"
    image, category = (record.get(key) for key in ("image_id", "category_id"))
    if not _is_ident(image) or not _is_ident(category):
        return "a detection needs an image_id and a category_id"
    (score,) = _numbers([record.get("score")]) or (None,)
    if score is None:
        return f"score is {record.get('score')!r}, not a number"
    bbox = record.get("bbox")
    values = _numbers(bbox) if isinstance(bbox, list) and len(bbox) == 4 else None
    if values is None or values[2] < 0 or values[3] < 0:
        return f"bbox is {bbox!r}, not [x, y, width, height]"
    x, y, width, height = values
    return ResultRow(file, line, image, category, score, corners_from_coco(x, y, width, height))


def _is_ident(value: object) -> TypeGuard[Ident]:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _numbers(values: list[object]) -> list[float] | None:
    """Finite numbers as they are in JSON, or None if one is something else."""
    numbers = []
    for value in values:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        try:
            numbers.append(float(value))
        except OverflowError:
            return None
    return numbers if all(map(math.isfinite, numbers)) else None

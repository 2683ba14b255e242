"""Read the detections of any detector from a COCO results file or from VOC results files."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc._log import get_logger
from freeloc.datasets.box_conventions import WrittenBox, find_other_convention
from freeloc.datasets.category_shift import FoundBox, find_renumbering
from freeloc.datasets.coco.instances_file import corners_from_coco
from freeloc.datasets.coco.reader import CocoFormat, CocoIds, read_ids
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.json_records import read_records
from freeloc.datasets.json_values import CocoId, parse_id
from freeloc.datasets.problems import DataProblems, Problem, ProblemList
from freeloc.datasets.voc.results import (
    DetectionRow,
    find_results_files,
    is_results_name,
    read_detection_rows,
)
from freeloc.errors import ConfigurationError, DatasetError, MalformedFileError
from freeloc.geometry.box import Corners, are_in_range
from freeloc.geometry.size import Size
from freeloc.io.folders import expand_user
from freeloc.io.text import check_exists, read_text
from freeloc.metrics.detections import Detections

__all__ = ["read_detections"]

_log = get_logger(__name__)

_AMBIGUOUS, _LEFT_OUT = -1, -2
"""Codes used in place of an index if several images match the id, or if the image or class is left out."""


def read_detections(
    path: str | os.PathLike[str],
    dataset: Dataset,
    *,
    data: str | os.PathLike[str] | None = None,
    split: str | None = None,
    format: str = "auto",  # noqa: A002 - the same name as in `open_dataset`
) -> Detections:
    """Read the boxes found by a detector.

    The format of the results is detected automatically:

    * COCO results: a JSON list of ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``. If
      ``data`` is a COCO dataset, the ids are those of its file. Otherwise, ``category_id`` is the name of a class
      of the dataset, or the number of the class, counted from 1; and ``image_id`` is the file name of an image,
      with or without its suffix, or the number in that name (6 for ``000006.jpg``, 2008000015 for
      ``2008_000015.jpg``, 42 for ``COCO_val2014_000000000042.jpg``).
    * VOC results: a folder with files such as ``comp3_det_val_dog.txt``, or any one of these files, in which case
      the others are found by their names. Each line is ``image_id score xmin ymin xmax ymax``; pixels are
      counted from 1, and edges are inclusive. A class without a file has no detections.

    Boxes of images or classes that are in the COCO file but not in the dataset are left out. If ``skip_bad`` left
    N images out of the dataset, the results may refer to up to N unknown images.

    Args:
        path: the file or folder of the results.
        dataset: the dataset whose images the detector processed.
        data: path from which the dataset was opened; if it is a COCO dataset, its ids are used.
        split: split of ``data``.
        format: format of ``data``.

    Returns:
        The boxes in image coordinates, in the order of the files.

    Raises:
        DataProblems: lines or records cannot be read, or refer to an unknown image or class.
        DatasetError: there are no results at ``path``, or they are in an unsupported format.
        ConfigurationError: the dataset was opened with options that change its classes, such as ``aliases``.

    Example:
        >>> from freeloc.datasets import open_dataset
        >>> val = open_dataset("coco", split="val2017", boxes=True)
        >>> detections = read_detections("results.json", val, data="coco", split="val2017")
        >>> detections.boxes
        array([[ 1.,  2., 31., 22.]])
    """
    results = expand_user(path)
    check_exists(results, "detector's results")
    rules = None if dataset.tags is None else dataset.tags.rules
    if rules is not None and (rules.renames or rules.min_images):
        raise ConfigurationError(
            f"the classes of {dataset.name} are not those to which detections refer: open it without aliases, "
            "fold_case and min_images",
            parameter="dataset",
        )
    problems = ProblemList(results)
    if results.is_dir() or is_results_name(results.name, "det"):
        rows = read_detection_rows(find_results_files(results, "det", dataset.classes), problems)
        ids = _Ids(_images_by_name(dataset), {name: label for label, name in enumerate(dataset.classes)})
    else:
        rows = _read_coco_rows(results, problems)
        root = None if data is None else expand_user(data)
        if root is not None and (format == "coco" or (format == "auto" and CocoFormat().detect(root))):
            ids = _ids_of_file(read_ids(root, split), dataset)
        else:
            ids = _Ids(_images_by_name(dataset, numbers=True), _labels_by_number(dataset))
    return _resolve(list(rows), ids, dataset, problems)


# --- images and classes by id ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ids:
    """Maps the ids in the results to indices of images and classes.

    Attributes:
        images: the index of each image in the dataset by id, or a negative code if there is no unique index.
        categories: the index of each class in the dataset by id, or a negative code if the class is left out.
        from_file: whether the ids are those of a COCO file.
    """

    images: Mapping[CocoId, int]
    categories: Mapping[CocoId, int]
    from_file: bool = False


def _images_by_name(dataset: Dataset, *, numbers: bool = False) -> dict[CocoId, int]:
    """Return the indices of the images by file name, by name without suffix, and by the number in the name."""
    indices: dict[CocoId, int] = {}
    for index, sample in enumerate(dataset):
        keys: set[CocoId] = {sample.path.name, sample.path.stem}
        if numbers and (number := _number_in(sample.path.stem)) is not None:
            keys.add(number)
        for key in keys:
            indices[key] = _AMBIGUOUS if key in indices else index
    return indices


def _number_in(stem: str) -> int | None:
    digits = stem.replace("_", "")
    if not digits.isdecimal():
        # Older COCO file names contain a year before the image number.
        digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits.isdecimal() and len(digits) < 100 else None


def _labels_by_number(dataset: Dataset) -> dict[CocoId, int]:
    labels: dict[CocoId, int] = {name: label for label, name in enumerate(dataset.classes)}
    return labels | {label + 1: label for label in range(len(dataset.classes))}


def _ids_of_file(ids: CocoIds, dataset: Dataset) -> _Ids:
    by_name: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(dataset):
        by_name[sample.path.name].append(index)
    images: dict[CocoId, int] = {}
    for image_id, file_name in ids.images.items():
        parts = _path_parts(file_name)
        matches = [
            index
            for index in by_name.get(parts[-1], ())
            if dataset.samples[index].path.parts[-len(parts) :] == parts
        ]
        images[image_id] = matches[0] if len(matches) == 1 else _AMBIGUOUS if matches else _LEFT_OUT
    labels = {name: label for label, name in enumerate(dataset.classes)}
    categories: dict[CocoId, int] = {}
    for name, number in ids.categories.items():
        categories[name] = categories[number] = labels.get(name, _LEFT_OUT)
    return _Ids(images, categories, from_file=True)


def _path_parts(file_name: str) -> tuple[str, ...]:
    return tuple(part for part in Path(os.path.normpath(file_name.replace("\\", "/"))).parts if part != "..")


def _resolve(rows: Sequence[DetectionRow], ids: _Ids, dataset: Dataset, problems: ProblemList) -> Detections:
    """Replace ids with indices, and report all problems."""
    _check_convention(rows, ids, dataset, problems)
    advice = _advice_on_ids(rows, ids, dataset, problems.path)
    images: list[int] = []
    labels: list[int] = []
    scores: list[float] = []
    boxes: list[Corners] = []
    unknown_images: dict[CocoId, DetectionRow] = {}
    unknown_classes: set[CocoId] = set()
    for row in rows:
        image, label = ids.images.get(row.image), ids.categories.get(row.category)
        if image == _AMBIGUOUS:
            message = f"image {row.image!r} matches several images of {dataset.name}"
            problems.add("bad_value", row.file, row.line, message, fatal=True)
        elif image is None:
            unknown_images.setdefault(row.image, row)
        if label is None and row.category not in unknown_classes:
            unknown_classes.add(row.category)
            known = (
                "a category id from the instances file"
                if ids.from_file
                else f"1 to {len(dataset.classes)}, or a class name"
            )
            message = f"category_id {row.category!r} is not a class of {dataset.name}: use {known}{advice}"
            problems.add("unknown_class", row.file, row.line, message, fatal=True)
        if image is not None and label is not None and image >= 0 and label >= 0:
            images.append(image)
            labels.append(label)
            scores.append(row.score)
            boxes.append(row.corners)
    # The results may refer to images that were left out of the dataset because of a problem.
    if len(unknown_images) > dataset.skipped:
        for row in unknown_images.values():
            message = f"image {row.image!r} is not in {dataset.name}"
            problems.add("bad_value", row.file, row.line, message, fatal=True)
    problems.report(skip_bad=False)
    return Detections.build(images, labels, scores, boxes)


def _check_convention(
    rows: Sequence[DetectionRow], ids: _Ids, dataset: Dataset, problems: ProblemList
) -> None:
    """Report each file whose boxes are mostly fractions, or edges instead of widths and heights."""
    files: dict[Path, list[DetectionRow]] = defaultdict(list)
    for row in rows:
        files[row.file].append(row)
    for file, items in files.items():
        written = (WrittenBox(item.corners, _size_of(item, ids, dataset), item.has_sides) for item in items)
        if message := find_other_convention(written):
            problems.add("bad_value", file, items[0].line, message, fatal=True)


def _size_of(row: DetectionRow, ids: _Ids, dataset: Dataset) -> Size | None:
    """Return the size of the image of a detection, or None if it is unknown."""
    image = ids.images.get(row.image)
    return None if image is None or image < 0 else dataset.samples[image].size


def _advice_on_ids(rows: Sequence[DetectionRow], ids: _Ids, dataset: Dataset, path: Path) -> str:
    """Return advice on ids that the dataset lacks, or log one line if other ids explain the results better."""
    found = [
        FoundBox(image, row.category, row.corners)
        for row in rows
        if (image := ids.images.get(row.image)) is not None and image >= 0
    ]
    better = find_renumbering(found, ids.categories, dataset)
    if better is None:
        return ""
    if not better.valid_as_given:
        return f"; the ids look shifted: {better.advice}"
    _log.warning(
        "%s: the category ids look shifted: %s; %d boxes then match annotated boxes of their class, instead of %d",
        path,
        better.advice,
        better.matches,
        better.matches_as_given,
    )
    return ""


# --- COCO results ------------------------------------------------------------------------------------------


def _read_coco_rows(file: Path, problems: ProblemList) -> Iterator[DetectionRow]:
    """Yield each valid detection of a COCO results file, and record a problem for each invalid one."""
    try:
        text = read_text(file)
        if not text.lstrip(" \t\r\n").startswith("["):
            raise DatasetError(
                f"{file} contains no detections: specify a JSON list of image_id, category_id, bbox and score, "
                "or files such as comp3_det_val_dog.txt",
                path=file,
            )
        records: list[tuple[object, int]] = []
        # Wrap the list in an object that starts on the same line, so that line numbers stay correct.
        read_records(file, f'{{"": {text}}}', {"": lambda record, line: records.append((record, line))})
    except MalformedFileError as error:
        raise DataProblems(file, [Problem.from_error(error)], fatal=1) from error
    for record, line in records:
        row = _parse_row(file, record, line)
        if isinstance(row, str):
            problems.add("malformed_row", file, line, row, fatal=True)
        else:
            yield row


def _parse_row(file: Path, record: object, line: int) -> DetectionRow | str:
    """Convert one record to a row, or return a message that says what is wrong with the record."""
    if not isinstance(record, dict):
        return f"{record!r} is not an object with image_id, category_id, bbox and score"
    image, category = (parse_id(record.get(key)) for key in ("image_id", "category_id"))
    if image is None or category is None:
        return "a detection needs an image_id and a category_id"
    (score,) = _parse_numbers([record.get("score")]) or (None,)
    if score is None:
        return f"score is {record.get('score')!r}, not a number"
    bbox = record.get("bbox")
    values = _parse_numbers(bbox) if isinstance(bbox, list) and len(bbox) == 4 else None
    if values is None or values[2] < 0 or values[3] < 0:
        return f"bbox is {bbox!r}, not [x, y, width, height]"
    x, y, width, height = values
    corners = corners_from_coco(x, y, width, height)
    if not are_in_range(corners):
        return f"bbox is {bbox!r}, larger than any image"
    return DetectionRow(file, line, image, category, score, corners, has_sides=True)


def _parse_numbers(values: list[object]) -> list[float] | None:
    """Convert JSON numbers to floats, or return None if any value is not a finite number."""
    numbers = []
    for value in values:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        try:
            numbers.append(float(value))
        except OverflowError:
            return None
    return numbers if all(map(math.isfinite, numbers)) else None

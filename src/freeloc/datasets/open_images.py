"""The dataset format for the image-level labels of Open Images.

A label with the confidence 1 was verified by a person to be present, and one with the confidence 0 to be absent.
About all others nothing is known. Labels between 0 and 1 come from a machine, and are left out.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from freeloc._log import get_logger
from freeloc.datasets.annotated_images import AnnotatedImage, build_dataset, names_in
from freeloc.datasets.builder import DatasetBuilder
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.tags.class_folders import is_image_name
from freeloc.datasets.tags.csv_list import read_header
from freeloc.datasets.tags.rows import RowProblem
from freeloc.datasets.voc.annotation_xml import parse_number
from freeloc.errors import DatasetError, MalformedFileError
from freeloc.io.paths import is_file
from freeloc.io.progress import pluralize
from freeloc.io.text import open_file

__all__ = ["OpenImagesFormat"]

_log = get_logger(__name__)

_ID, _LABEL, _CONFIDENCE = "ImageID", "LabelName", "Confidence"
_BOX: Final = "XMin"
"""A column of the files of boxes, which have the others, too."""

_SPLIT: Final = re.compile(r"(?:^|[-_])(train|validation|val|test)(?=[-_])")


class OpenImagesFormat(DatasetFormat):
    """Dataset format for the image-level labels of Open Images.

    The classes are those with a verified label in any image, sorted. The dataset contains the listed images that
    exist in the folder given by the option ``images`` or, without it, in the folder of the labels, including all
    subfolders: the files list millions of images, of which most people have a part.
    """

    layout = "Open Images: a file *-human-imagelabels.csv, or a folder with such files, also in annotations/"

    def detect(self, path: Path) -> bool:
        """Return whether a path is a file of image-level labels, or a folder with such files."""
        return any(map(_is_list, _find_files(path)))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the file, or those of all splits."""
        files = [path] if path.is_file() else _find_files(path)
        if not files:
            raise DatasetError(f"{path} has no labels of Open Images; expected {self.layout}", path=path)
        builder = DatasetBuilder(path, options)
        root = files[0].parent
        root = root.parent if root.name == "annotations" else root
        folder = options.images or root
        existing = _ImageIds(folder)
        images: list[AnnotatedImage] = []
        names: dict[str, str] = {}
        with _reporting(builder):
            names = _read_class_names(files[0].parent)
        for file in files:
            with _reporting(builder):
                images += _read_labels(file, existing, names)
        if not images and not builder.has_problems:
            message = f"none of the listed images is in {folder}: set images to the folder of the images"
            builder.fail("missing_image", path, None, message)
        known = names_in(images)
        if not names and not builder.has_problems:
            _log.warning("%s: put class-descriptions.csv there to read the names of classes", files[0].parent)
        elif missing := [name for name in known if name not in set(names.values())]:
            _log.warning(
                "%s: the class descriptions lack %s, such as %s",
                *(path, pluralize(len(missing), "label"), missing[0]),
            )
        return build_dataset(path.stem if path.is_file() else path.resolve().name, images, known, builder)


@contextmanager
def _reporting(builder: DatasetBuilder) -> Iterator[None]:
    """Record a file that cannot be read as a problem, to report it with those of other files."""
    try:
        yield
    except MalformedFileError as error:
        builder.add_fatal_problem("malformed_file", error.file, error.line, error.reason)


def _find_files(path: Path) -> list[Path]:
    """Return the file, or those in a folder with the usual name, even if their beginning is damaged."""
    files: Iterable[Path] = [path]
    if path.is_dir():
        files = (
            file for folder in (path, path / "annotations") for file in folder.glob("*human-imagelabels*.csv")
        )
    return sorted(file for file in files if is_file(file) and file.suffix.lower() == ".csv")


def _is_list(file: Path) -> bool:
    return _has_labels(read_header(file))


def _has_labels(header: Sequence[str]) -> bool:
    return {_ID, _LABEL, _CONFIDENCE} <= set(header) and _BOX not in header


class _ImageIds:
    """The images in a folder and its subfolders by id, which is the name without suffix."""

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if is_image_name(path.name):
                self._paths[path.stem].append(path)

    def find(self, image_id: str, split: str | None) -> Path | None:
        """Return the image with an id, which may contain folders; that of the split if several splits have one."""
        candidates = self._paths.get(image_id.rsplit("/", 1)[-1])
        if candidates is None:
            return None
        ending = f"/{image_id}"
        paths = [path for path in candidates if path.with_suffix("").as_posix().endswith(ending)]
        return next((path for path in paths if split in path.parts), paths[0] if paths else None)


@dataclass(slots=True)
class _Labels:
    """The labels of one image, by class name; None if its rows contradict each other."""

    path: Path
    line: int
    values: dict[str, bool | None] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)


def _read_labels(file: Path, existing: _ImageIds, names: Mapping[str, str]) -> list[AnnotatedImage]:
    """Read the labels of the images that exist; the file may have tens of millions of rows."""
    match = _SPLIT.search(file.name)
    split = match[1] if match else None
    images: dict[str, _Labels] = {}
    bad: list[AnnotatedImage] = []
    line = others = 0
    for line, (image_id, label, confidence) in _read_columns(file, bad):
        image = images.get(image_id)
        if image is None:
            path = existing.find(image_id, split)
            if path is None:
                continue
            image = images[image_id] = _Labels(path, line)
        number = parse_number(confidence)
        name = names.get(label) or clean_name(label)
        if number in (0, 1) and name:
            value = number == 1
            image.values[name] = value if image.values.get(name, value) == value else None
        elif name and number is not None and 0 < number < 1:
            others += 1
        else:
            message = f"{_LABEL} and {_CONFIDENCE} are {label!r} and {confidence!r}, not a class and 0 or 1"
            image.problems.append(RowProblem("bad_value", message, line))
    if not (line or bad):
        _log.warning("%s contains no labels", file)
    if others:
        _log.warning("%s: left out %s of a machine, which nobody verified", file, pluralize(others, "label"))
    return [*bad, *(_image_of(image, file, split) for image in images.values())]


def _image_of(labels: _Labels, file: Path, split: str | None) -> AnnotatedImage:
    by_value: dict[bool | None, list[str]] = defaultdict(list)
    for name, value in labels.values.items():
        by_value[value].append(name)
    return AnnotatedImage(
        file,
        labels.line,
        labels.path,
        split,
        tags=tuple(by_value[True]),
        absent=tuple(by_value[False]),
        unknown=tuple(by_value[None]),
        problems=tuple(labels.problems),
    )


def _read_columns(file: Path, bad: list[AnnotatedImage]) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Yield the line, image, label and confidence of each row; rows that are cut off are added to ``bad``.

    Raises:
        MalformedFileError: the file is not a CSV file in UTF-8 with these columns.
    """
    rows = _read_csv(file)
    line, names = next(rows, (1, []))
    header = list(map(clean_name, names))
    if not _has_labels(header):
        reason = f"the header has no columns {_ID}, {_LABEL} and {_CONFIDENCE}: download the file again"
        raise MalformedFileError(file, line, reason)
    places = [header.index(name) for name in (_ID, _LABEL, _CONFIDENCE)]
    for line, row in rows:
        if len(row) == len(header):
            image_id, label, confidence = (row[place].strip() for place in places)
            yield line, (image_id, label, confidence)
        elif row:
            message = f"the row has {len(row)} cells, but the header has {len(header)}"
            bad.append(AnnotatedImage(file, line, None, problems=(RowProblem("malformed_row", message),)))


def _read_csv(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row."""
    line = 1
    try:
        with open_file(file) as content:
            reader = csv.reader(TextIOWrapper(content, encoding="utf-8-sig", newline=""))
            for row in reader:
                line = reader.line_num
                yield line, row
    except UnicodeDecodeError as error:
        raise MalformedFileError(file, line, "the text is not UTF-8: download the file again") from error
    except csv.Error as error:
        raise MalformedFileError(file, line, f"malformed CSV: {error}") from error


def _read_class_names(folder: Path) -> dict[str, str]:
    """Return the name of each class by its label, from all files of class descriptions in a folder."""
    names: dict[str, str] = {}
    for file in sorted(filter(is_file, folder.glob("*class-descriptions*.csv"))):
        for line, row in _read_csv(file):
            if len(row) == 2:
                label, name = row[0].strip(), clean_name(row[1])
                if name and label != _LABEL:
                    names.setdefault(label, name)
            elif row:
                raise MalformedFileError(
                    file, line, f"the row has {len(row)} cells instead of a label and its name"
                )
    return names

"""Read results files of the VOC devkit: one text file per class, with one line per image or box.

Each line of ``comp1_cls_val_dog.txt`` or ``comp2_…`` is ``image_id score``. Each line of ``comp3_det_val_dog.txt``
or ``comp4_…`` is ``image_id score xmin ymin xmax ymax``; pixels are counted from 1, and edges are inclusive.
`freeloc.writers.voc_results` writes these files.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from freeloc._typing import Float64Array
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.problems import ProblemList
from freeloc.datasets.voc.annotation_xml import corners_from_voc, parse_number
from freeloc.datasets.voc.reader import VOC_CLASSES
from freeloc.errors import DatasetError, MalformedFileError
from freeloc.geometry.box import Corners, are_in_range
from freeloc.io.text import read_text

__all__ = [
    "DetectionRow",
    "find_results_files",
    "is_results_name",
    "read_classification_results",
    "read_detection_rows",
]

ResultsTask = Literal["cls", "det"]
"""Classification or detection, as abbreviated in the names of results files."""

_EXAMPLES: dict[ResultsTask, str] = {"cls": "comp2_cls_val_dog.txt", "det": "comp3_det_val_dog.txt"}

_ROUNDING = 1e-6
"""Number of pixels by which a box may end before it starts, to allow for rounding errors in boxes of zero size."""


class DetectionRow(NamedTuple):
    """One detection as stored in its file.

    Attributes:
        file: the file that contains the detection.
        line: line number, counted from 1.
        image: id or name of the image.
        category: id or name of the class.
        score: the detector's score.
        corners: the box, in image coordinates.
        has_sides: whether the file gives the width and height of the box, instead of its right and bottom edges.
    """

    file: Path
    line: int
    image: int | str
    category: int | str
    score: float
    corners: Corners
    has_sides: bool = False


def is_results_name(name: str, task: ResultsTask) -> bool:
    """Return whether a file name is that of a results file for the task."""
    return re.fullmatch(rf"comp\d+_{task}_.+\.txt", name) is not None


def find_results_files(path: Path, task: ResultsTask, classes: Sequence[str]) -> dict[str, Path]:
    """Return the files of one set of results, by class.

    Args:
        path: the folder, or one of the files, in which case the others are found by their names.
        task: the task whose files to find.
        classes: the classes of the dataset. Files for other VOC classes are ignored.

    Raises:
        DatasetError: there are no such files, there are several sets, or a file is for an unknown class.
    """
    folder = path if path.is_dir() else path.parent
    sets: dict[str, dict[str, Path]] = defaultdict(dict)
    unknown: list[Path] = []
    for file in sorted(file for file in folder.glob("comp*.txt") if is_results_name(file.name, task)):
        name = _class_of_file(file, (*classes, *VOC_CLASSES))
        if name:
            sets[file.name.removesuffix(f"{name}.txt")][name] = file
        else:
            unknown.append(file)
    if path != folder:
        sets = {prefix: files for prefix, files in sets.items() if path in files.values()}
        unknown = unknown if sets else [path]
    prefixes = sorted(sets)
    if len(prefixes) > 1:
        names = ", ".join(prefix.rstrip("_") for prefix in prefixes)
        raise DatasetError(
            f"{path} contains several sets of results ({names}): specify one file of the set to read",
            path=path,
        )
    for file in unknown:
        if not prefixes or file.name.startswith(prefixes[0]):
            raise DatasetError(
                f"{file} is not for a class of the dataset, which has {', '.join(classes)}: "
                f"rename it to a name such as {_EXAMPLES[task]}, or remove it",
                path=file,
            )
    if not prefixes:
        raise DatasetError(
            f"{path} contains no results: specify a folder with files such as {_EXAMPLES[task]}", path=path
        )
    return {name: file for name, file in sets[prefixes[0]].items() if name in classes}


def _class_of_file(file: Path, classes: Sequence[str]) -> str:
    """Return the longest class name at the end of a file name, or an empty string if there is none."""
    return max((name for name in classes if file.name.endswith(f"_{name}.txt")), key=len, default="")


def read_detection_rows(files: Mapping[str, Path], problems: ProblemList) -> Iterator[DetectionRow]:
    """Yield each valid line of the detection results, and record a problem for each invalid one.

    Args:
        files: the results file of each class.
        problems: the list to which problems are added.
    """
    for name, file in files.items():
        for line, words in _read_lines(file, problems):
            numbers = [parse_number(word) for word in words[1:]]
            if len(numbers) != 5 or None in numbers:
                message = f"{' '.join(words)!r} is not an image, a score and four pixel coordinates"
                problems.add("malformed_row", file, line, message, fatal=True)
                continue
            score, *pixels = (number for number in numbers if number is not None)
            x1, y1, x2, y2 = corners_from_voc(*pixels)
            if x1 > x2 + _ROUNDING or y1 > y2 + _ROUNDING:
                message = f"the box {' '.join(words[2:])} ends before it starts"
                problems.add("bad_value", file, line, message, fatal=True)
                continue
            if not are_in_range((x1, y1, x2, y2)):
                message = f"the box {' '.join(words[2:])} is larger than any image"
                problems.add("bad_value", file, line, message, fatal=True)
                continue
            yield DetectionRow(file, line, words[0], name, score, (x1, y1, max(x1, x2), max(y1, y2)))


def read_classification_results(path: Path, dataset: Dataset) -> Float64Array:
    """Read classification scores from results files.

    Args:
        path: the folder of the results files, or one of the files.
        dataset: the dataset; lines refer to its images by file name without suffix. Lines for other images are
            ignored.

    Returns:
        (N, K) float64 scores in the order of the dataset's images and classes.

    Raises:
        DataProblems: a line does not consist of an image and a score, or an image has no score or several scores
            for a class.
        DatasetError: a class has no file, or the files cannot be found.
    """
    files = find_results_files(path, "cls", dataset.classes)
    if missing := [name for name in dataset.classes if name not in files]:
        raise DatasetError(
            f"{path} has no results for the class {missing[0]}: add them, or choose classes without it",
            path=path,
        )
    problems = ProblemList(path)
    names = [sample.path.stem for sample in dataset]
    files_by_name: dict[str, list[str]] = defaultdict(list)
    for sample in dataset:
        files_by_name[sample.path.stem].append(sample.path.name)
    for same in files_by_name.values():
        if len(same) > 1:
            message = (
                f"{' and '.join(same)} have the same name without suffix, by which results refer to images"
            )
            problems.add("ambiguous_image", path, None, message, fatal=True)
    columns = [_read_scores(files[name], names, problems) for name in dataset.classes]
    problems.report(skip_bad=False)
    return np.array(columns, dtype=np.float64).T.reshape(len(names), len(columns))


def _read_scores(file: Path, names: Sequence[str], problems: ProblemList) -> list[float]:
    scores: dict[str, float] = {}
    for line, words in _read_lines(file, problems):
        score = parse_number(words[1]) if len(words) == 2 else None
        if score is None:
            message = f"{' '.join(words)!r} is not an image and a score"
            problems.add("malformed_row", file, line, message, fatal=True)
        elif words[0] in scores:
            problems.add("duplicate_row", file, line, f"{words[0]} already has a score", fatal=True)
        else:
            scores[words[0]] = score
    for name in names:
        if name not in scores:
            problems.add("missing_annotation", file, None, f"{name} has no score", fatal=True)
    return [scores.get(name, math.nan) for name in names]


def _read_lines(file: Path, problems: ProblemList) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the words of each non-empty line."""
    try:
        text = read_text(file)
    except MalformedFileError as error:
        problems.add("malformed_file", file, error.line, error.reason, fatal=True)
        return
    for line, content in enumerate(text.split("\n"), start=1):
        if words := content.split():
            yield line, words

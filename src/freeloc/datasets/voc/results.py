"""Results files of the VOC devkit: one text file a class, one line an image or a box.

``comp1_cls_val_dog.txt`` and ``comp2_…`` hold ``image_id score``; ``comp3_det_val_dog.txt`` and ``comp4_…``
hold ``image_id score xmin ymin xmax ymax`` in pixels from 1, both ends included. `freeloc.writers.voc_results`
writes them.
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
from freeloc.datasets.coco.instances_file import Corners, Ident
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.problems import ProblemList
from freeloc.datasets.voc.annotation_xml import corners_from_voc
from freeloc.datasets.voc.reader import VOC_CLASSES
from freeloc.errors import FreelocError, MalformedFileError
from freeloc.io.text import read_text

__all__ = ["ResultRow", "detection_rows", "is_results_name", "read_classification_results", "results_files"]

Kind = Literal["cls", "det"]
"""Files of classification or of detection."""

_EXAMPLES: dict[Kind, str] = {"cls": "comp2_cls_val_dog.txt", "det": "comp3_det_val_dog.txt"}

_ROUNDING = 1e-6
"""By so many pixels a box without width may end before it starts: 1 was added to its edge and taken off."""


class ResultRow(NamedTuple):
    """One detection as its file names it.

    Attributes:
        file: where it stands.
        line: its line, counted from 1.
        image: what the file calls the image.
        category: what the file calls the class.
        score: how sure the detector is.
        corners: the box, edges in image pixels.
    """

    file: Path
    line: int
    image: Ident
    category: Ident
    score: float
    corners: Corners


def is_results_name(name: str, kind: Kind) -> bool:
    """Whether a file is called like one of the devkit's results."""
    return re.fullmatch(rf"comp\d+_{kind}_.+\.txt", name) is not None


def results_files(path: Path, kind: Kind, classes: Sequence[str]) -> dict[str, Path]:
    """The files of one set of results, by class.

    Args:
        path: their folder, or one of them, whose siblings are found by its name.
        kind: which files.
        classes: the classes of the data set. Files of VOC's other classes are passed over.

    Raises:
        FreelocError: there is no such file, there are several sets, or a file is for no known class.
    """
    folder = path if path.is_dir() else path.parent
    files = sorted(file for file in folder.glob("comp*.txt") if is_results_name(file.name, kind))
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    strange: list[Path] = []
    for file in files:
        name = _class_of(file, (*classes, *VOC_CLASSES))
        if name:
            found[file.name.removesuffix(f"{name}.txt")][name] = file
        else:
            strange.append(file)
    if path != folder:
        found = {start: own for start, own in found.items() if path in own.values()}
        strange = strange if found else [path]
    starts = sorted(found)
    if len(starts) > 1:
        sets = ", ".join(start.rstrip("_") for start in starts)
        raise FreelocError(f"{path} holds several sets of results ({sets}): give one file of the set meant")
    if lost := [file for file in strange if not starts or file.name.startswith(starts[0])]:
        raise FreelocError(
            f"{lost[0]} is for no class of the data set, which has {', '.join(classes)}: "
            f"name it like {_EXAMPLES[kind]}, or take it away"
        )
    if not starts:
        raise FreelocError(f"{path} holds no results: give a folder with files like {_EXAMPLES[kind]}")
    return {name: file for name, file in found[starts[0]].items() if name in classes}


def _class_of(file: Path, classes: Sequence[str]) -> str:
    """The class that a file's name ends with, the longest one that fits; empty if none does."""
    return max((name for name in classes if file.name.endswith(f"_{name}.txt")), key=len, default="")


def detection_rows(files: Mapping[str, Path], problems: ProblemList) -> Iterator[ResultRow]:
    """Every line of detection results, and a problem for each that cannot be read.

    Args:
        files: file by class.
        problems: what is wrong is noted here.
    """
    for name, file in files.items():
        for line, words in _lines(file, problems):
            numbers = [_number(word) for word in words[1:]]
            if len(numbers) != 5 or None in numbers:
                said = f"{' '.join(words)!r} is not an image, a score and four pixels"
                problems.add("malformed_row", file, line, said, lasting=True)
                continue
            score, *pixels = (number for number in numbers if number is not None)
            x1, y1, x2, y2 = corners_from_voc(*pixels)
            if x1 > x2 + _ROUNDING or y1 > y2 + _ROUNDING:
                message = f"the box {' '.join(words[2:])} ends before it starts"
                problems.add("bad_value", file, line, message, lasting=True)
                continue
            yield ResultRow(file, line, words[0], name, score, (x1, y1, max(x1, x2), max(y1, y2)))


def read_classification_results(path: Path, dataset: Dataset) -> Float64Array:
    """Classification scores out of results files.

    Args:
        path: folder of the files, or one of them.
        dataset: the images; lines name them by their file names without ending. Lines of other
            images are passed over.

    Returns:
        (N, K) float64 scores in the order of the data set's images and classes.

    Raises:
        DataProblems: a line is no image and score, or an image has none or several in a class.
        FreelocError: a class has no file, or the files cannot be found.
    """
    files = results_files(path, "cls", dataset.classes)
    if missing := [name for name in dataset.classes if name not in files]:
        raise FreelocError(
            f"{path} has no results of the class {missing[0]}: add them, or choose the classes"
        )
    problems = ProblemList(path)
    names = [sample.path.stem for sample in dataset]
    columns = [_scores(files[name], names, problems) for name in dataset.classes]
    problems.settle(skip_bad=False)
    return np.array(columns, dtype=np.float64).T.reshape(len(names), len(columns))


def _scores(file: Path, names: Sequence[str], problems: ProblemList) -> list[float]:
    scores: dict[str, float] = {}
    for line, words in _lines(file, problems):
        score = _number(words[1]) if len(words) == 2 else None
        if score is None:
            said = f"{' '.join(words)!r} is not an image and a score"
            problems.add("malformed_row", file, line, said, lasting=True)
        elif words[0] in scores:
            problems.add("duplicate_row", file, line, f"{words[0]} has a score already", lasting=True)
        else:
            scores[words[0]] = score
    for name in names:
        if name not in scores:
            problems.add("missing_annotation", file, None, f"{name} has no score", lasting=True)
    return [scores.get(name, math.nan) for name in names]


def _lines(file: Path, problems: ProblemList) -> Iterator[tuple[int, list[str]]]:
    try:
        text = read_text(file)
    except MalformedFileError as error:
        problems.add("malformed_file", file, error.line, error.reason, lasting=True)
        return
    for line, content in enumerate(text.split("\n"), start=1):
        if words := content.split():
            yield line, words


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

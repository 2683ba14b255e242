"""Results of any detector: COCO's results JSON, or the VOC devkit's comp3 and comp4 files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeloc.datasets.coco import category_ids, image_ids, is_coco
from freeloc.datasets.cocofile import Ident, corners_from_coco
from freeloc.datasets.sample import Dataset
from freeloc.datasets.vocxml import corners_from_voc
from freeloc.errors import FreelocError
from freeloc.metrics import Detections

__all__ = ["Keys", "keys_of", "read_detections"]

_VOC_FILE = re.compile(r"(comp\d+)_det_([^_]+)_(.+)\.txt")


@dataclass(frozen=True, eq=False)
class Keys:
    """By which words results speak of photographs and classes.

    Attributes:
        photographs: position of each photograph by its id: COCO's number, or the file's name without its ending.
        classes: position of each class by COCO's number, or by its name.
    """

    photographs: Mapping[Ident, int]
    classes: Mapping[Ident, int]


def keys_of(dataset: Dataset, path: Path, split: str | None = None) -> Keys:
    """The ids of a data set's photographs and classes.

    Args:
        dataset: as `freeloc.datasets.open_dataset` gave it.
        path: where it was opened.
        split: of which split it is.

    Raises:
        FreelocError: a COCO file cannot be read.
    """
    photographs: dict[Ident, int] = {sample.path.stem: index for index, sample in enumerate(dataset)}
    classes: dict[Ident, int] = {name: index for index, name in enumerate(dataset.classes)}
    if is_coco(path):
        places = {sample.path.name: index for index, sample in enumerate(dataset)}
        for name, ident in image_ids(path, split).items():
            if Path(name).name in places:
                photographs[ident] = places[Path(name).name]
        for name, number in category_ids(path, split).items():
            if name in dataset.classes:
                classes[number] = dataset.classes.index(name)
    return Keys(photographs, classes)


def read_detections(path: Path, keys: Keys) -> Detections:
    """Read a detector's results.

    Args:
        path: a COCO results file (``.json``: a list of records with image_id, category_id, bbox and score), a
            folder of VOC result files, or one of them, whose siblings are read as well.
        keys: of the data set.

    Returns:
        All detections, boxes as edges in photograph pixels. A class without a file has none.

    Raises:
        FreelocError: there is no such file, a line or record is malformed, or one speaks of an unknown photograph
            or class.
    """
    if not path.exists():
        raise FreelocError(
            f"--detections {path} does not exist: give a COCO results file or VOC result files"
        )
    found = list(_coco(path, keys) if path.suffix.lower() == ".json" else _voc(path, keys))
    return Detections.build(*zip(*found, strict=True)) if found else Detections.build()


_Found = tuple[int, int, float, tuple[float, float, float, float]]


def _coco(path: Path, keys: Keys) -> Iterator[_Found]:
    try:
        records = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FreelocError(
            f"--detections {path} cannot be read ({error}): give a COCO results file"
        ) from error
    if not isinstance(records, list):
        raise FreelocError(f"--detections {path} is no list of results: give a COCO results file")
    for number, record in enumerate(records, start=1):
        place = f"--detections {path}, result {number}"
        try:
            photo, label = record["image_id"], record["category_id"]
            x, y, width, height = map(float, record["bbox"])
            score = float(record["score"])
        except (KeyError, TypeError, ValueError) as error:
            raise FreelocError(
                f"{place} needs image_id, category_id, bbox [x, y, width, height] and score"
            ) from error
        corners = corners_from_coco(x, y, width, height)
        yield _checked(
            place, (_known(place, "photograph", photo, keys.photographs)), label, score, corners, keys
        )


def _voc(path: Path, keys: Keys) -> Iterator[_Found]:
    folder = path if path.is_dir() else path.parent
    asked = None if path.is_dir() else _VOC_FILE.fullmatch(path.name)
    files = [(file, match) for file in sorted(folder.iterdir()) if (match := _VOC_FILE.fullmatch(file.name))]
    if not path.is_dir():
        files = [(file, match) for file, match in files if asked and match.groups()[:2] == asked.groups()[:2]]
    if not files:
        raise FreelocError(
            f"--detections {path} holds no VOC results: their files are called like comp3_det_val_dog.txt"
        )
    if len({match.groups()[:2] for _, match in files}) > 1:
        raise FreelocError(
            f"--detections {path} holds several sets of results: give one file of the set meant"
        )
    for file, match in files:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            place = f"--detections {file}, line {number}"
            words = line.split()
            try:
                ident, score, *values = words[0], float(words[1]), *map(float, words[2:])
                xmin, ymin, xmax, ymax = values
            except (IndexError, ValueError) as error:
                raise FreelocError(f"{place} is not: photograph score xmin ymin xmax ymax") from error
            corners = corners_from_voc(xmin, ymin, xmax, ymax)
            photo = _known(place, "photograph", ident, keys.photographs)
            yield _checked(place, photo, match[3], score, corners, keys)


def _checked(
    place: str, photo: int, label: Any, score: float, corners: tuple[float, float, float, float], keys: Keys
) -> _Found:
    if not math.isfinite(score) or not all(map(math.isfinite, corners)):
        raise FreelocError(f"{place} has a number that is not finite")
    if corners[0] > corners[2] or corners[1] > corners[3]:
        raise FreelocError(f"{place} has a box that ends before it begins")
    return photo, _known(place, "class", label, keys.classes), score, corners


def _known(place: str, what: str, ident: Any, known: Mapping[Ident, int]) -> int:
    if isinstance(ident, int | str) and not isinstance(ident, bool) and ident in known:
        return known[ident]
    raise FreelocError(f"{place} speaks of {what} {ident!r}, which the data set does not have")

"""Results files of the VOC devkit, for its own evaluation programs and for everything else that reads them.

The devkit keeps them in ``results/VOC2012/Main``. By its rules comp1 and comp3 are for systems trained on VOC's
own images and boxes alone, comp2 and comp4 for those that saw other data too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeloc.errors import FreelocError, check_choice
from freeloc.io import atomic
from freeloc.io.text import is_encodable
from freeloc.metrics import Detections

__all__ = [
    "ClassificationComp",
    "DetectionComp",
    "write_classification_results",
    "write_detection_results",
]

ClassificationComp = Literal["comp1", "comp2"]
"""The devkit's classification competitions."""

DetectionComp = Literal["comp3", "comp4"]
"""The devkit's detection competitions."""


def write_classification_results(
    folder: Path,
    dataset_ids: Sequence[str],
    classes: Sequence[str],
    scores: npt.ArrayLike,
    split: str,
    comp: ClassificationComp = "comp2",
) -> list[Path]:
    """Write ``comp2_cls_val_dog.txt`` and its like: a line ``image_id score`` for every image.

    Numbers have all the digits that reading them back exactly needs, and no exponent, so that scores that
    differ still do, and ``sort -n`` ranks them.

    Args:
        folder: where the files go; it is made if missing.
        dataset_ids: what to call the N images: in VOC, their file names without ending.
        classes: the K classes.
        scores: (N, K) classification scores, higher is surer.
        split: list of the images, such as "val".
        comp: "comp1" or "comp2".

    Returns:
        The file of each class.

    Raises:
        FreelocError: a score is not finite, a name cannot stand in the file or its name, the competition is
            not known, or a file cannot be written.
        ValueError: shapes differ.
    """
    check_choice("the competition", comp, ClassificationComp)
    values = np.asarray(scores)
    if values.shape != (len(dataset_ids), len(classes)):
        raise ValueError(f"scores have shape {values.shape}, not ({len(dataset_ids)}, {len(classes)})")
    paths = _paths(folder, f"{comp}_cls", split, classes)
    _check_ids(dataset_ids)
    _check_finite(values)
    for path, column in zip(paths, values.T, strict=True):
        _write(path, (f"{ident} {_digits(score)}" for ident, score in zip(dataset_ids, column, strict=True)))
    return paths


def write_detection_results(
    folder: Path,
    dataset_ids: Sequence[str],
    classes: Sequence[str],
    detections: Detections,
    split: str,
    comp: DetectionComp = "comp4",
) -> list[Path]:
    """Write ``comp4_det_val_dog.txt`` and its like: a line ``image_id score xmin ymin xmax ymax`` for every box.

    Pixels count from 1, and both ends are in the box; digits are as in `write_classification_results`. Edges
    that are whole numbers or of single precision are read back exactly, others but for the last bit. A class
    without a box gets an empty file.

    Args:
        folder: where the files go; it is made if missing.
        dataset_ids: what to call the N images.
        classes: the K classes.
        detections: the boxes, edges in image pixels; each file keeps their order.
        split: list of the images, such as "val".
        comp: "comp3" or "comp4".

    Returns:
        The file of each class.

    Raises:
        FreelocError: as `write_classification_results`.
        ValueError: an image or class index is outside its range.
    """
    check_choice("the competition", comp, DetectionComp)
    detections.check(len(dataset_ids), len(classes))
    paths = _paths(folder, f"{comp}_det", split, classes)
    _check_ids(dataset_ids)
    _check_finite(detections.score)
    _check_finite(detections.boxes)
    # Edges to pixels: the first one is one further on, counted from 1.
    pixels = detections.boxes + np.array([1, 1, 0, 0])
    for label, path in enumerate(paths):
        members = np.flatnonzero(detections.label == label)
        _write(
            path,
            (
                " ".join(
                    (
                        dataset_ids[detections.image[row]],
                        _digits(detections.score[row]),
                        *map(_digits, pixels[row]),
                    )
                )
                for row in members
            ),
        )
    return paths


def _digits(value: np.generic) -> str:
    """A number in the fewest decimal digits that are read back as the same float64, without an exponent."""
    return np.format_float_positional(np.float64(value), unique=True, trim="-")


def _write(path: Path, lines: Iterator[str]) -> None:
    atomic.write_text(path, "".join(f"{line}\n" for line in lines))


def _paths(folder: Path, start: str, split: str, classes: Sequence[str]) -> list[Path]:
    for what, name in (("the split", split), *(("the class", name) for name in classes)):
        if not name or any(mark in name for mark in "/\\\0\n\r"):
            raise FreelocError(f"{what} {name!r} cannot be part of a file's name: rename it")
    return [folder / f"{start}_{split}_{name}.txt" for name in classes]


def _check_ids(dataset_ids: Sequence[str]) -> None:
    for ident in dataset_ids:
        if [ident] != ident.split() or not is_encodable(ident):
            raise FreelocError(
                f"the image {ident!r} has a name that VOC results cannot hold: rename it, without spaces"
            )
    if len(set(dataset_ids)) < len(dataset_ids):
        twice = Counter(dataset_ids).most_common(1)[0][0]
        raise FreelocError(f"two images are called {twice!r}: VOC results need a name for each")


def _check_finite(values: npt.NDArray[np.generic]) -> None:
    if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
        raise FreelocError("a score or box is NaN or infinite, which VOC results cannot hold: leave it out")

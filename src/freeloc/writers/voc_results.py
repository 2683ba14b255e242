"""Write results files in the format of the VOC devkit, for its evaluation code and other programs.

The devkit keeps these files in ``results/VOC2012/Main``. Under its rules, comp1 and comp3 are for systems trained
only on VOC's images and boxes; comp2 and comp4 are for systems also trained on other data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeloc.errors import OutputError, check_choice
from freeloc.io import atomic
from freeloc.io.text import is_encodable
from freeloc.metrics import Detections

__all__ = [
    "ClassificationComp",
    "DetectionComp",
    "check_image_id",
    "classification_paths",
    "write_classification_results",
    "write_detection_results",
]

ClassificationComp = Literal["comp1", "comp2"]
"""The devkit's classification competitions."""

DetectionComp = Literal["comp3", "comp4"]
"""The devkit's detection competitions."""


def write_classification_results(
    folder: Path,
    image_ids: Sequence[str],
    classes: Sequence[str],
    scores: npt.ArrayLike,
    split: str,
    comp: ClassificationComp = "comp2",
) -> list[Path]:
    """Write one file per class, such as ``comp2_cls_val_dog.txt``, with one line ``image_id score`` per image.

    Numbers are written with enough digits to be read back exactly, and without exponents, so that distinct scores
    stay distinct and ``sort -n`` ranks them.

    Args:
        folder: the output folder; created if it is missing.
        image_ids: IDs of the N images: in VOC, their file names without suffix.
        classes: the K classes.
        scores: (N, K) classification scores; higher is more confident.
        split: name of the split, such as "val".
        comp: "comp1" or "comp2".

    Returns:
        The file of each class.

    Raises:
        ConfigurationError: ``comp`` is unknown.
        OutputError: a score is NaN or infinite, an image ID, class or split cannot be written in the format, or a
            file cannot be written.
        ValueError: ``scores`` is not (N, K).
    """
    values = np.asarray(scores)
    if values.shape != (len(image_ids), len(classes)):
        raise ValueError(f"scores have shape {values.shape}, not ({len(image_ids)}, {len(classes)})")
    paths = classification_paths(folder, classes, split, comp)
    _check_ids(image_ids)
    _check_finite(values)
    for path, column in zip(paths, values.T, strict=True):
        _write(path, (f"{ident} {_decimal(score)}" for ident, score in zip(image_ids, column, strict=True)))
    return paths


def classification_paths(
    folder: Path, classes: Sequence[str], split: str, comp: ClassificationComp = "comp2"
) -> list[Path]:
    """Return the file of each class that `write_classification_results` writes.

    Raises:
        ConfigurationError: ``comp`` is unknown.
        OutputError: a class or the split cannot be part of a file name.
    """
    check_choice("comp", comp, ClassificationComp)
    return _paths(folder, f"{comp}_cls", split, classes)


def write_detection_results(
    folder: Path,
    image_ids: Sequence[str],
    classes: Sequence[str],
    detections: Detections,
    split: str,
    comp: DetectionComp = "comp4",
) -> list[Path]:
    """Write one file per class, such as ``comp4_det_val_dog.txt``, with one line per box.

    A line is ``image_id score xmin ymin xmax ymax``. Pixels are counted from 1, and edges are inclusive. Numbers
    are formatted as in `write_classification_results`. Integer and float32 edges are read back exactly,
    other edges to within the last bit. The file of a class without boxes is empty.

    Args:
        folder: the output folder; created if it is missing.
        image_ids: IDs of the N images.
        classes: the K classes.
        detections: the boxes, in image coordinates; each file preserves their order.
        split: name of the split, such as "val".
        comp: "comp3" or "comp4".

    Returns:
        The file of each class.

    Raises:
        ConfigurationError: ``comp`` is unknown.
        OutputError: a score or edge is NaN or infinite, an image ID, class or split cannot be written in the
            format, or a file cannot be written.
        ValueError: the index of an image or class is out of range.
    """
    check_choice("comp", comp, DetectionComp)
    detections.check(len(image_ids), len(classes))
    paths = _paths(folder, f"{comp}_det", split, classes)
    _check_ids(image_ids)
    _check_finite(detections.score)
    _check_finite(detections.boxes)
    # Convert edges to pixel indices counted from 1: the first pixel lies to the right of (below) the first edge.
    pixels = detections.boxes + np.array([1, 1, 0, 0])
    for label, path in enumerate(paths):
        members = np.flatnonzero(detections.label == label)
        _write(
            path,
            (
                " ".join(
                    (
                        image_ids[detections.image[row]],
                        _decimal(detections.score[row]),
                        *map(_decimal, pixels[row]),
                    )
                )
                for row in members
            ),
        )
    return paths


def _decimal(value: np.generic) -> str:
    """Return the shortest decimal number without an exponent that is read back as the same float64."""
    return np.format_float_positional(np.float64(value), unique=True, trim="-")


def _write(path: Path, lines: Iterator[str]) -> None:
    atomic.write_text(path, "".join(f"{line}\n" for line in lines))


def _paths(folder: Path, prefix: str, split: str, classes: Sequence[str]) -> list[Path]:
    for what, name in (("split", split), *(("class", name) for name in classes)):
        if not name or any(char in name for char in "/\\\0\n\r"):
            raise OutputError(
                f"the {what} {name!r} cannot be part of a file name: it is empty or contains a slash, backslash "
                "or line break; rename it"
            )
    return [folder / f"{prefix}_{split}_{name}.txt" for name in classes]


def check_image_id(ident: str) -> None:
    """Check that an image can be named in a results file.

    Raises:
        OutputError: it cannot.
    """
    if [ident] != ident.split() or not is_encodable(ident):
        raise OutputError(
            f"the image ID {ident!r} cannot be written to a VOC results file: it is empty, contains spaces, "
            "or is not valid Unicode; rename the image"
        )


def _check_ids(image_ids: Sequence[str]) -> None:
    for ident in image_ids:
        check_image_id(ident)
    if len(set(image_ids)) < len(image_ids):
        repeated = Counter(image_ids).most_common(1)[0][0]
        raise OutputError(
            f"two images have the ID {repeated!r}: VOC results files need one ID per image; rename one of them"
        )


def _check_finite(values: npt.NDArray[np.generic]) -> None:
    if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
        raise OutputError(
            "a score or edge is NaN or infinite, which a VOC results file cannot represent: remove it first"
        )

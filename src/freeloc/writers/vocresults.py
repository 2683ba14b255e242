"""Result files of the Pascal VOC devkit, as its evaluation and its test server read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeloc.atomic import write_text
from freeloc.errors import FreelocError, check_choice
from freeloc.metrics import Detections

__all__ = ["Competition", "write_classification_results", "write_detection_results"]

Competition = Literal["comp1", "comp2", "comp3", "comp4"]
"""1 and 2 are classification, 3 and 4 detection. The odd ones train on the challenge's photographs alone, the even
ones on any others as well, as a trunk made on ImageNet does."""


def write_classification_results(
    folder: Path,
    split: str,
    idents: Sequence[str],
    classes: Sequence[str],
    scores: npt.ArrayLike,
    competition: Competition = "comp2",
) -> tuple[Path, ...]:
    """Write ``comp2_cls_val_dog.txt`` and the like: a line per photograph, its name and its score.

    Args:
        folder: the devkit's ``results/VOC2012/Main``, say.
        split: name of the photographs' list.
        idents: N names of photographs, without ending.
        classes: K names.
        scores: (N, K), higher is surer; written so that different float32 numbers stay different.
        competition: "comp1" or "comp2".

    Returns:
        The files, one per class.

    Raises:
        FreelocError: a score is NaN, the competition is another, or a file cannot be written.
        ValueError: the numbers of scores differ.
    """
    check_choice("the competition", competition, Literal["comp1", "comp2"])
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(idents), len(classes)):
        raise ValueError(f"scores have shape {values.shape}, not ({len(idents)}, {len(classes)})")
    if np.isnan(values).any():
        raise FreelocError("the scores hold NaN and cannot be ranked: check the model that gave them")
    files = []
    for name, column in zip(classes, values.T, strict=True):
        files.append(folder / f"{competition}_cls_{split}_{name}.txt")
        lines = (f"{ident} {score:.9g}\n" for ident, score in zip(idents, column, strict=True))
        write_text(files[-1], "".join(lines))
    return tuple(files)


def write_detection_results(
    folder: Path,
    split: str,
    idents: Sequence[str],
    classes: Sequence[str],
    detections: Detections,
    competition: Competition = "comp4",
) -> tuple[Path, ...]:
    """Write ``comp4_det_val_dog.txt`` and the like: photograph, score, and the box in pixels counted from 1.

    Args:
        folder: the devkit's ``results/VOC2012/Main``, say.
        split: name of the photographs' list.
        idents: N names of photographs, without ending.
        classes: K names.
        detections: in these photographs.
        competition: "comp3" or "comp4".

    Returns:
        The files, one per class; a class without detections has an empty one.

    Raises:
        FreelocError: the competition is another, or a file cannot be written.
    """
    check_choice("the competition", competition, Literal["comp3", "comp4"])
    files = []
    for label, name in enumerate(classes):
        lines = []
        for index in np.flatnonzero(detections.label == label):
            x1, y1, x2, y2 = detections.boxes[index]
            corners = f"{x1 + 1:.6f} {y1 + 1:.6f} {x2:.6f} {y2:.6f}"
            lines.append(f"{idents[detections.photo[index]]} {detections.score[index]:.9g} {corners}\n")
        files.append(folder / f"{competition}_det_{split}_{name}.txt")
        write_text(files[-1], "".join(lines))
    return tuple(files)

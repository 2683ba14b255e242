"""Scores of models for the evaluation server of Pascal VOC, in the folders of the devkit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from freeloc.datasets.dataset import Dataset
from freeloc.evaluation.collect import Predictions
from freeloc.io.folders import expand_user
from freeloc.writers.voc_results import ClassificationComp, write_classification_results

__all__ = ["write_server_scores"]

_DEVKIT = "VOC2012"


def write_server_scores(
    folder: Path, dataset: Dataset, predictions: Sequence[Predictions], split: str | None = None
) -> list[Path]:
    """Write the scores of models, to be submitted to the evaluation server or read by the devkit.

    The files are ``results/VOC2012/Main/comp2_cls_test_dog.txt`` and the like, for every class, and again for
    comp1. With several models, each has a folder of its name around its ``results``. In place of VOC2012 and test,
    names have those of the dataset, if it is a devkit.

    Args:
        folder: the output folder.
        dataset: the predicted images; labels are not read.
        predictions: predictions of each model, with the classes of the dataset.
        split: name of the split; None for that of the dataset or, if it has none, "test".

    Returns:
        The folder of the files of each model.

    Raises:
        OutputError: a name cannot be written in the format, or a file cannot be written.
    """
    devkit, _, listed = dataset.name.partition(" ")
    if not re.fullmatch(r"VOC\d{4}", devkit):
        devkit, listed = _DEVKIT, ""
    root = expand_user(folder)
    ids = [sample.path.stem for sample in dataset]
    written = []
    for item in predictions:
        place = root if len(predictions) == 1 else root / item.name.replace("/", "_").replace("\\", "_")
        place = place / "results" / devkit / "Main"
        for comp in get_args(ClassificationComp):
            write_classification_results(
                place, ids, dataset.classes, item.scores, split or listed or "test", comp
            )
        written.append(place)
    return written

"""The rows of the figures of score maps during training, for training images of a study.

As in the paper, the images are training images. They are selected by fixed rules, from tags and scores alone:

* Figure 1: motorbikes or, in other data, the class with the most training images. The images of the class are
  ranked by the score of the trained model and taken at even distances, which shows usual and unusual objects.
* Figure 4: for each class, the image with the highest score of the trained model, highest score first.

No image is shown twice in a figure. Large datasets are represented by evenly spaced images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import ABSENT, PRESENT, Dataset
from freeloc.images.decode import load_image
from freeloc.inference.score_map import ScoreMap
from freeloc.models.model import Model
from freeloc.paper.example_selection import best_per_class
from freeloc.paper.figures.map_evolution import EvolutionRow
from freeloc.paper.map_evolution import (
    EVOLUTION_SCALE,
    MAX_FRAMES,
    frames_of,
    highest_absent,
    select_by_change,
)
from freeloc.paper.map_reader import MapReader
from freeloc.training.snapshots import snapshot_files

__all__ = ["Evolution", "read_evolution"]

_IMAGES: Final = 4
"""Maximum number of images in a figure."""

_CANDIDATES: Final = 300
"""Maximum number of training images among which those of a figure are selected."""

_PAPER_CLASSES: Final = ("motorbike", "motorcycle")
"""The class of the paper's Figure 1, in VOC and in COCO."""


@dataclass(frozen=True, eq=False)
class Evolution:
    """Rows of the two figures.

    Attributes:
        one_class: images of one class (paper, Figure 1).
        windows: images of several classes, each with an absent class (paper, Figure 4).
    """

    one_class: tuple[EvolutionRow, ...] = ()
    windows: tuple[EvolutionRow, ...] = ()


def read_evolution(
    model: Path, snapshots: Path, train_set: Dataset, reader_of: Callable[[Dataset], MapReader]
) -> Evolution:
    """Compute the score maps of a few training images in the snapshots of a model.

    Args:
        model: the trained model.
        snapshots: folder of its snapshots.
        train_set: the training images; boxes are not read.
        reader_of: function that returns a reader of the maps of some of these images, at `EVOLUTION_SCALE`.

    Returns:
        The rows of both figures; none if there are no snapshots, or no images with tags.
    """
    steps = list(snapshot_files(snapshots).items())
    label = _class_of_figure_1(train_set)
    if not steps or label is None:
        return Evolution()
    tagged = _subset(train_set, _spread(np.flatnonzero(train_set.labels[:, label] == PRESENT), _CANDIDATES))
    scores = _scores(model, reader_of(tagged))[:, label]
    ranked = np.argsort(-scores, kind="stable")
    chosen = _subset(tagged, _spread(ranked, _IMAGES))
    one_class = _rows(steps, chosen, [label] * len(chosen), reader_of(chosen), absent=False)
    several = _subset(train_set, _spread(np.arange(len(train_set)), _CANDIDATES))
    pairs = best_per_class(_scores(model, reader_of(several)), several.labels == PRESENT, _IMAGES)
    if not pairs:
        return Evolution(tuple(one_class))
    images = _subset(several, [image for image, _ in pairs])
    windows = _rows(steps, images, [each for _, each in pairs], reader_of(images), absent=True)
    return Evolution(tuple(one_class), tuple(windows))


def _class_of_figure_1(train_set: Dataset) -> int | None:
    """Return the class of the paper's Figure 1, or the most frequent one; None if no image has a tag."""
    counts = (train_set.labels == PRESENT).sum(axis=0)
    for name in _PAPER_CLASSES:
        if name in train_set.classes and counts[train_set.classes.index(name)]:
            return train_set.classes.index(name)
    return int(counts.argmax()) if counts.any() else None


def _spread(indices: np.ndarray[tuple[int], np.dtype[np.intp]], count: int) -> list[int]:
    """Return at most ``count`` of some indices, at even distances, with the first and the last one."""
    if len(indices) <= count:
        return [int(index) for index in indices]
    places = np.linspace(0, len(indices) - 1, count).round().astype(int)
    return [int(indices[place]) for place in places]


def _subset(dataset: Dataset, indices: Sequence[int]) -> Dataset:
    return replace(dataset, samples=tuple(dataset.samples[index] for index in indices))


def _scores(model: Path, reader: MapReader) -> Float32Array:
    """Return the (N, K) maxima of the maps of N images."""
    maps = reader.maps(Model.load(model), (EVOLUTION_SCALE,))
    return np.stack([by_scale[EVOLUTION_SCALE].maxima for by_scale in maps])


def _rows(
    snapshots: Sequence[tuple[int, Path]],
    images: Dataset,
    labels: Sequence[int],
    reader: MapReader,
    *,
    absent: bool,
) -> list[EvolutionRow]:
    """Return one row per image, for the class given by ``labels``."""
    maps: list[list[ScoreMap]] = [
        [by_scale[EVOLUTION_SCALE] for by_scale in reader.maps(Model.load(file), (EVOLUTION_SCALE,))]
        for _, file in snapshots
    ]
    shown = [[each.values[label] for each, label in zip(row, labels, strict=True)] for row in maps]
    chosen = select_by_change(shown, MAX_FRAMES)
    steps = [snapshots[index][0] for index in chosen]
    rows = []
    for position, (sample, label) in enumerate(zip(images, labels, strict=True)):
        other = highest_absent(maps[0][position].maxima, sample.labels == ABSENT) if absent else None
        frames = frames_of(steps, [maps[index][position] for index in chosen], label, other)
        name = None if other is None else images.classes[other]
        rows.append(EvolutionRow(load_image(sample.path), images.classes[label], frames, name))
    return rows

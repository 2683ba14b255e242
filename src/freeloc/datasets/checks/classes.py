"""Findings about the classes of a dataset: their names, and how often and how they occur together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from freeloc.datasets.checks.findings import Finding, list_some
from freeloc.datasets.class_names import similar_names
from freeloc.datasets.dataset import ABSENT, PRESENT, Dataset
from freeloc.io.progress import pluralize

__all__ = ["check_classes"]

_FEW_IMAGES: Final = 10
"""A class with fewer images is learned from so few examples that the model mostly learns their backgrounds."""

_NEARLY_ALL: Final = 0.95
"""Fraction of the images from which on hardly any image shows what a class does not look like."""


def check_classes(dataset: Dataset) -> Iterator[Finding]:
    """Yield the findings about the classes of a dataset."""
    yield from _check_names(dataset.classes)
    labels = dataset.labels
    present, absent = (labels == PRESENT).sum(axis=0), (labels == ABSENT).sum(axis=0)
    counts = [(name, int(count)) for name, count in zip(dataset.classes, present, strict=True)]
    rare = [(name, count) for name, count in counts if count < _FEW_IMAGES]
    if rare:
        yield _finding_of_rare(rare)
    known = np.maximum(present + absent, 1)
    common = [
        f"{dataset.classes[index]} ({present[index]} of {known[index]})"
        for index in np.flatnonzero(present >= _NEARLY_ALL * known)
    ]
    if common:
        subject = f"class {common[0]} is" if len(common) == 1 else f"{len(common)} classes are"
        listed = "" if len(common) == 1 else f": {list_some(common)}"
        yield Finding(
            "common_class",
            f"{subject} in nearly all images{listed}; add images without "
            f"{'it' if len(common) == 1 else 'them'}, because only they show where the class is not",
        )
    yield from _check_separable(dataset)


def _check_names(classes: Sequence[str]) -> Iterator[Finding]:
    groups = [" and ".join(map(repr, group)) for group in similar_names(classes)]
    if groups:
        yield Finding(
            "similar_names",
            f"{'class names differ' if len(groups) == 1 else f'{len(groups)} groups of class names differ'} "
            "only in case, blanks, accents, similar letters or plural; give them one spelling if they are one "
            "class",
            tuple(groups),
        )


def _finding_of_rare(rare: Sequence[tuple[str, int]]) -> Finding:
    listed = list_some(f"{name} ({count})" for name, count in sorted(rare, key=lambda item: item[1]))
    subject = "1 class has" if len(rare) == 1 else f"{len(rare)} classes have"
    return Finding(
        "rare_class",
        f"{subject} fewer than {_FEW_IMAGES} images: {listed}; add images, or choose classes without "
        f"{'it' if len(rare) == 1 else 'them'}",
        parameter="classes",
    )


def _check_separable(dataset: Dataset) -> Iterator[Finding]:
    """Yield a finding if classes are present in exactly the same images, so that nothing tells them apart."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    present = dataset.labels == PRESENT
    for label in np.flatnonzero(present.any(axis=0)):
        groups[np.packbits(present[:, label]).tobytes()].append(int(label))
    together = [
        f"{' and '.join(dataset.classes[label] for label in group)} "
        f"({pluralize(int(present[:, group[0]].sum()), 'image')})"
        for group in groups.values()
        if len(group) > 1
    ]
    if together:
        subject = "some classes are" if len(together) == 1 else f"{len(together)} groups of classes are"
        yield Finding(
            "inseparable_classes",
            f"{subject} never seen apart: {list_some(together)}; add images with only one of them, or make them "
            "one class, because the model cannot learn which is which",
        )

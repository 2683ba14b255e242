"""Findings about the classes of a dataset: their names, and how often and how they occur together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from freeloc._class_names import quote_names
from freeloc._log import get_logger
from freeloc.datasets.checks.findings import Finding, list_some
from freeloc.datasets.class_names import (
    clean_name,
    fold_name,
    joined_names,
    misspelled_names,
    similar_names,
)
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, Dataset
from freeloc.io.progress import pluralize

__all__ = ["check_chosen", "check_classes", "check_untagged", "warn_of_untagged"]

_log = get_logger(__name__)

_FEW_IMAGES: Final = 10
"""A class with fewer images is learned from so few examples that the model mostly learns their backgrounds."""

_NEARLY_ALL: Final = 0.95
"""Fraction of the images from which on hardly any image shows what a class does not look like."""


def check_classes(dataset: Dataset) -> Iterator[Finding]:
    """Yield the findings about the classes of a dataset."""
    labels = dataset.labels
    present, absent = (labels == PRESENT).sum(axis=0), (labels == ABSENT).sum(axis=0)
    counts = [(name, int(count)) for name, count in zip(dataset.classes, present, strict=True)]
    # A class that is left out because of its few images may be another one, misspelled.
    yield from _check_names(dict(counts) if dataset.tags is None else dataset.tags.classes)
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
    else:
        yield from check_untagged(dataset)
    yield from _check_separable(dataset)


def check_chosen(dataset: Dataset, chosen: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding if the caller chose classes that the dataset does not have."""
    missing = [name for name in map(clean_name, chosen) if name not in dataset.classes]
    if missing:
        yield Finding(
            "missing_class",
            f"the dataset does not have the {'class' if len(missing) == 1 else 'classes'} {quote_names(missing)}, "
            "which training leaves out; add images, or correct the choice of classes",
            parameter="classes",
        )


def check_untagged(dataset: Dataset) -> Iterator[Finding]:
    """Yield a finding if nearly all images have at least one of the classes."""
    tagged = int((dataset.labels == PRESENT).any(axis=1).sum())
    known = int((dataset.labels != IGNORE).any(axis=1).sum())
    if tagged < _NEARLY_ALL * known:
        return
    count = "every image has" if tagged == len(dataset) else f"{tagged} of {len(dataset)} images have"
    yield Finding(
        "no_other_images",
        f"{count} at least one of the classes; add images without any of them (and without a tag) if the model is "
        "to be used on such images, because otherwise it often finds a class in them",
    )


def warn_of_untagged(dataset: Dataset) -> None:
    """Log the finding of `check_untagged`, if there is one, before a model is trained on a dataset."""
    for finding in check_untagged(dataset):
        _log.warning("%s: %s", dataset.name, finding)


def _check_names(images: Mapping[str, int]) -> Iterator[Finding]:
    """Yield the findings about the names of classes, given the number of images of each."""
    classes = list(images)
    similar = similar_names(classes)
    groups = [" and ".join(map(repr, group)) for group in similar]
    if groups:
        only_case = all(len(set(map(fold_name, group))) == 1 for group in similar)
        yield Finding(
            "similar_names",
            f"{'class names differ' if len(groups) == 1 else f'{len(groups)} groups of class names differ'} "
            "only in case, blanks, accents, similar letters or plural; give them one spelling if they are one "
            "class",
            tuple(groups),
            parameter="fold_case" if only_case else "aliases",
        )
    misspelled = [
        f"{name!r} ({images[name]}): {meant!r} ({images[meant]})"
        for name, meant in misspelled_names(images).items()
    ]
    if misspelled:
        yield Finding(
            "misspelled_names",
            f"{'a class name is' if len(misspelled) == 1 else f'{len(misspelled)} class names are'} rare and "
            "nearly the name of a frequent class; correct the tags if they are misspelled",
            tuple(misspelled),
            parameter="aliases",
        )
    joined = [f"{name!r}: {quote_names(parts)}" for name, parts in joined_names(classes).items()]
    if joined:
        yield Finding(
            "joined_names",
            f"{'a class name consists' if len(joined) == 1 else f'{len(joined)} class names consist'} of names of "
            "other classes; separate tags by commas or semicolons if they are several tags",
            tuple(joined),
        )


def _finding_of_rare(rare: Sequence[tuple[str, int]]) -> Finding:
    listed = list_some(f"{name} ({count})" for name, count in sorted(rare, key=lambda item: item[1]))
    subject = "1 class has" if len(rare) == 1 else f"{len(rare)} classes have"
    return Finding(
        "rare_class",
        f"{subject} fewer than {_FEW_IMAGES} images: {listed}; add images, or leave "
        f"{'it' if len(rare) == 1 else 'them'} out",
        parameter="min_images",
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

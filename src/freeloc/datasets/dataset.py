"""What every data set gives: samples with a path, a label per class, and boxes for evaluation only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["ABSENT", "IGNORE", "PRESENT", "AnnotatedBox", "Dataset", "Labels", "Sample"]

PRESENT, ABSENT, IGNORE = 1, -1, 0
"""Label values: the class is in the image, is not, or takes no part in loss and metric."""

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class AnnotatedBox:
    """One annotated object, in pixels of the upright image (top-left pixel's centre at (0.5, 0.5)).

    Attributes:
        label: index into the data set's classes.
        x1: left edge.
        y1: top edge.
        x2: right edge.
        y2: bottom edge.
        difficult: VOC's flag: hard to recognise, left out of the official evaluation.
        crowd: COCO's flag: the box holds a group of objects.
    """

    label: int
    x1: float
    y1: float
    x2: float
    y2: float
    difficult: bool = False
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class Sample:
    """One tagged image.

    Attributes:
        path: the image's file.
        labels: (K,) int8, +1 present, −1 absent, 0 ignore; read-only.
        boxes: the annotated objects, or None where boxes were not asked for or are not known. Training from
            tags never asks for them.
    """

    path: Path
    labels: Labels
    boxes: tuple[AnnotatedBox, ...] | None = None

    def __post_init__(self) -> None:
        self.labels.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named list of samples over one list of classes.

    Attributes:
        name: what reports call it, such as "VOC val".
        classes: the K class names; the order is that of every label and score vector.
        samples: the images, in the data set's own order.
        skipped: how many bad images ``skip_bad`` left out.
    """

    name: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    @cached_property
    def labels(self) -> Labels:
        """All labels, (N, K) int8."""
        if not self.samples:
            return np.zeros((0, len(self.classes)), np.int8)
        return np.stack([sample.labels for sample in self.samples])

    def spread(self, count: int) -> list[int]:
        """Positions of ``count`` samples, evenly over the data set; of all of them where there are no more."""
        places = np.linspace(0, len(self) - 1, min(count, len(self)))
        return [int(place) for place in np.unique(places.astype(int))]

    @property
    def has_boxes(self) -> bool:
        """Whether every sample carries boxes."""
        return bool(self.samples) and all(sample.boxes is not None for sample in self.samples)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over classes, file names and labels (not pixels, not boxes), as hexadecimal digits."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for sample in self.samples:
            # A file name may hold bytes that are no text.
            digest.update(os.fsencode(sample.path.name) + b"\0" + sample.labels.tobytes())
        return digest.hexdigest()

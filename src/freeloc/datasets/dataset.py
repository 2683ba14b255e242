"""Datasets in memory: samples with an image path, one label per class and, for evaluation only, boxes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeloc.geometry.box import Corners
from freeloc.geometry.size import Size
from freeloc.images.decode import read_image_size
from freeloc.images.hashed_image import HashedImage
from freeloc.images.image_info import ImageInfo, read_image_info

__all__ = ["ABSENT", "IGNORE", "PRESENT", "AnnotatedBox", "Dataset", "Labels", "Sample"]

PRESENT, ABSENT, IGNORE = 1, -1, 0
"""Label values: the class is present, absent, or ignored by losses and metrics."""

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class AnnotatedBox:
    """The annotated box of one object, in image coordinates (the center of the top-left pixel is (0.5, 0.5)).

    Attributes:
        label: index of the object's class in the dataset's classes.
        x1: left edge.
        y1: top edge.
        x2: right edge.
        y2: bottom edge.
        difficult: VOC's flag for an object that is hard to recognize; VOC's evaluation ignores such objects.
        crowd: COCO's flag for a box around a group of objects.
    """

    label: int
    x1: float
    y1: float
    x2: float
    y2: float
    difficult: bool = False
    crowd: bool = False

    @property
    def corners(self) -> Corners:
        """The edges ``x1, y1, x2, y2``."""
        return self.x1, self.y1, self.x2, self.y2

    def moved_to(self, corners: Corners) -> AnnotatedBox:
        """Return the same object's box with other edges."""
        return AnnotatedBox(self.label, *corners, difficult=self.difficult, crowd=self.crowd)


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its labels.

    Attributes:
        path: the image file.
        labels: (K,) read-only int8: +1 present, −1 absent, 0 ignored.
        boxes: the annotated boxes, or None if they were not read or are unknown. Training from tags never reads
            boxes.
        size: size of the upright image; None if the image was not decoded.
        content_hash: hash of the file's bytes (`freeloc.io.content_hash`); None if the image was not decoded.
    """

    path: Path
    labels: Labels
    boxes: tuple[AnnotatedBox, ...] | None = None
    size: Size | None = None
    content_hash: str | None = None

    def __post_init__(self) -> None:
        self.labels.setflags(write=False)

    @property
    def image(self) -> Path | HashedImage:
        """The image file; decoding it raises an error if its content hash is known and no longer the same."""
        return self.path if self.content_hash is None else HashedImage(self.path, self.content_hash)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named list of samples that share one list of classes.

    Attributes:
        name: name used in reports, such as "VOC2012 val".
        classes: the K class names, in the same order as in every label and score vector.
        samples: the samples, in the order of the dataset's list.
        skipped: number of images with problems that ``skip_bad`` left out.
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
        """The labels of all samples, (N, K) int8."""
        if not self.samples:
            return np.zeros((0, len(self.classes)), np.int8)
        return np.stack([sample.labels for sample in self.samples])

    def evenly_spaced(self, count: int) -> list[int]:
        """Return the indices of ``count`` evenly spaced samples, or of all samples if there are fewer."""
        indices = np.linspace(0, len(self) - 1, min(count, len(self)))
        return [int(index) for index in np.unique(indices.astype(int))]

    @property
    def has_boxes(self) -> bool:
        """Whether the boxes of every sample are known."""
        return bool(self.samples) and all(sample.boxes is not None for sample in self.samples)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 hash of the classes, file names and labels (but not the pixels or boxes), in hexadecimal."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for sample in self.samples:
            # A file name may contain bytes that are not valid UTF-8.
            digest.update(os.fsencode(sample.path.name) + b"\0" + sample.labels.tobytes())
        return digest.hexdigest()

    def image_sizes(self) -> tuple[Size, ...]:
        """Return the size of every upright image, reading only files whose size is not yet known.

        Raises:
            ImageError: a file cannot be read or is not an image.
        """
        return tuple(sample.size or read_image_size(sample.path) for sample in self)

    def image_info(self) -> tuple[ImageInfo, ...]:
        """Return the size and content hash of every image, reading only files for which either is not yet known.

        Raises:
            ImageError: a file cannot be read or is not an image.
        """
        unknown = [sample.path for sample in self if sample.size is None or sample.content_hash is None]
        infos = iter(read_image_info(unknown))
        return tuple(
            next(infos)
            if sample.size is None or sample.content_hash is None
            else ImageInfo(sample.size, sample.content_hash)
            for sample in self
        )

    def unchanged_images(self, image_info: Sequence[ImageInfo]) -> list[HashedImage]:
        """Return all images, in order; decoding one raises an error if its file has changed.

        Args:
            image_info: the value returned by the method `image_info`.
        """
        return [
            HashedImage(sample.path, info.content_hash) for sample, info in zip(self, image_info, strict=True)
        ]

    def content_fingerprint(self, image_info: Sequence[ImageInfo]) -> str:
        """Return the SHA-256 hash of the classes, file names, labels and image files, in hexadecimal.

        Args:
            image_info: the value returned by the method `image_info`.
        """
        digest = hashlib.sha256(self.fingerprint.encode())
        digest.update("\n".join(info.content_hash for info in image_info).encode())
        return digest.hexdigest()

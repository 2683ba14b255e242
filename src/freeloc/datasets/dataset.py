"""Datasets in memory: samples with an image path, one label per class and, for evaluation only, boxes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from freeloc._class_names import did_you_mean, quote_names
from freeloc._validation import CountOrZero, check_fields, describe_value
from freeloc.datasets.annotated_box import AnnotatedBox
from freeloc.datasets.tag_report import TagReport
from freeloc.errors import ConfigurationError, DatasetError
from freeloc.geometry.size import Size
from freeloc.images.decode import read_image_size
from freeloc.images.hashed_image import HashedImage
from freeloc.images.image_info import ImageInfo, read_image_info
from freeloc.io.progress import pluralize
from freeloc.io.text import is_encodable

__all__ = [
    "ABSENT",
    "IGNORE",
    "PRESENT",
    "AnnotatedBox",
    "Dataset",
    "Labels",
    "Sample",
    "check_informative",
]

PRESENT, ABSENT, IGNORE = 1, -1, 0
"""Label values: the class is present, absent, or ignored by losses and metrics."""

_MAX_SHOWN = 8
"""Maximum number of labels or class names in a representation."""

_LABEL_BYTES = np.array([PRESENT, ABSENT, IGNORE], np.int8).tobytes()

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """One image with its labels.

    Attributes:
        path: the image file.
        labels: (K,) read-only int8: +1 present, −1 absent, 0 ignored.
        boxes: the annotated boxes, or None if they were not read or are unknown. Training from tags never reads
            boxes.
        size: size of the upright image; None if the image was not decoded.
        content_hash: hash of the file's bytes (`freeloc.io.content_hash`); None if the image was not decoded.
        split: the split that contains the image, if a tag list says so; None otherwise.
        perceptual_hash: hash of what the image shows (`freeloc.images.perceptual_hash`); None unless the dataset
            was opened with ``DatasetChecks(for_check=True)``.

    Raises:
        ConfigurationError: a field has the wrong type, or a label is not −1, 0 or +1.
    """

    path: Path
    labels: Labels
    boxes: tuple[AnnotatedBox, ...] | None = None
    size: Size | None = None
    content_hash: str | None = None
    split: str | None = None
    perceptual_hash: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _checked_labels(self.labels))
        # A dataset may have a hundred thousand samples, nearly all of which have these types.
        plain = (
            isinstance(self.path, Path)
            and (self.boxes is None or type(self.boxes) is tuple)
            and isinstance(self.size, Size | None)
            and isinstance(self.content_hash, str | None)
            and isinstance(self.split, str | None)
            and isinstance(self.perceptual_hash, int | None)
            and all(type(box) is AnnotatedBox for box in self.boxes or ())
        )
        if not plain:
            check_fields(self)

    def __reduce__(self) -> tuple[type[Sample], tuple[object, ...]]:
        """Pickle the fields, so that the labels of a copy are read-only, too."""
        hashes = self.content_hash, self.split, self.perceptual_hash
        return Sample, (self.path, self.labels, self.boxes, self.size, *hashes)

    def __repr__(self) -> str:
        shown = (
            f"{len(self.labels)} labels"
            if len(self.labels) > _MAX_SHOWN
            else f"labels {self.labels.tolist()}"
        )
        boxes = "" if self.boxes is None else f", {len(self.boxes)} boxes"
        return f"Sample({str(self.path)!r}, {shown}{boxes})"

    def select_labels(self, labels: Sequence[int]) -> Sample:
        """Return the same image with the labels and boxes of some classes, given by their indices."""
        position = {label: index for index, label in enumerate(labels)}
        boxes = self.boxes and tuple(
            replace(box, label=position[box.label]) for box in self.boxes if box.label in position
        )
        return replace(self, labels=self.labels[list(labels)], boxes=boxes)

    @property
    def image(self) -> Path | HashedImage:
        """The image file; decoding it raises an error if its content hash is known and no longer the same."""
        return self.path if self.content_hash is None else HashedImage(self.path, self.content_hash)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A named list of samples that share one list of classes.

    Attributes:
        name: name used in reports, such as "VOC2012 val".
        classes: the K class names, in the same order as in every label and score vector.
        samples: the samples, in the order of the dataset's list.
        skipped: number of images with problems that ``skip_bad`` left out.
        tags: what became of the tags of all images when the dataset was opened; None unless it was opened with
            `TagRules` or for `freeloc.check`.

    Raises:
        ConfigurationError: a field has the wrong type, two classes have the same name, or a sample does not have
            one label per class.
    """

    name: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: CountOrZero = 0
    tags: TagReport | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        _check_names(self.name, self.classes)
        count = len(self.classes)
        for (
            sample
        ) in self.samples:  # their boxes are not looked at, because training from tags never reads boxes
            if len(sample.labels) != count:
                raise ConfigurationError(
                    f"the labels of {sample.path} have length {len(sample.labels)}, but there are {count} "
                    "classes: specify one label per class",
                    parameter="samples",
                )

    def check_box_labels(self) -> None:
        """Check that every box has the label of a class; called wherever boxes are used.

        Raises:
            ConfigurationError: a box has another label.
        """
        count = len(self.classes)
        for sample in self.samples:
            for box in sample.boxes or ():
                if box.label >= count:
                    raise ConfigurationError(
                        f"a box of {sample.path} has the label {box.label}, but there are {count} classes: "
                        "specify the index of its class",
                        parameter="samples",
                    )

    def __repr__(self) -> str:
        names = ", ".join(self.classes[:_MAX_SHOWN]) + (", …" if len(self.classes) > _MAX_SHOWN else "")
        return (
            f"Dataset({self.name!r}, {pluralize(len(self), 'image')}, {len(self.classes)} classes: {names})"
        )

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Dataset: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Sample | Dataset:
        """Return one sample by its index, or a dataset of several samples by a slice.

        Raises:
            IndexError: there is no sample with the index.
        """
        if isinstance(index, slice):
            return replace(self, samples=self.samples[index], skipped=0)
        return self.samples[index]

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

    def with_labels(self, labels: Labels) -> Dataset:
        """Return the same images with other (N, K) labels, and without boxes."""
        pairs = zip(self.samples, labels, strict=True)
        return replace(self, samples=tuple(replace(sample, labels=row, boxes=None) for sample, row in pairs))

    def select_classes(self, classes: Sequence[str]) -> Dataset:
        """Return the same images with the labels and boxes of some classes, in the given order.

        Raises:
            ConfigurationError: the dataset does not have one of the classes.
        """
        chosen = tuple(classes)
        if chosen == self.classes:
            return self
        indices = {name: index for index, name in enumerate(self.classes)}
        unknown = [name for name in chosen if name not in indices]
        if unknown:
            raise ConfigurationError(
                f"classes contains {quote_names(unknown)}{did_you_mean(unknown, self.classes)}, but {self.name} "
                f"has only {quote_names(self.classes)}: choose some of these",
                parameter="classes",
            )
        labels = [indices[name] for name in chosen]
        return replace(
            self, classes=chosen, samples=tuple(sample.select_labels(labels) for sample in self.samples)
        )

    @property
    def has_labels(self) -> bool:
        """Whether any label is known; without labels, images can be predicted, but nothing can be measured."""
        return any(bool((sample.labels != IGNORE).any()) for sample in self.samples)

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


def check_informative(dataset: Dataset, purpose: str) -> None:
    """Check that the labels say something: that a class is present in one image and absent from another.

    Args:
        dataset: the dataset.
        purpose: what the labels are needed for, such as "training".

    Raises:
        DatasetError: there is no such class.
    """
    present, absent = (dataset.labels == PRESENT).any(axis=0), (dataset.labels == ABSENT).any(axis=0)
    if not (present & absent).any():
        lack = (
            "is present in one image and absent from another" if present.any() else "is present in any image"
        )
        raise DatasetError(
            f"no class of {dataset.name} {lack}: {purpose} requires images with and images without a class"
        )


def _checked_labels(labels: Any) -> Labels:
    """Return labels as a read-only int8 vector.

    Raises:
        ConfigurationError: they are not a vector of whole numbers, or one is not −1, 0 or +1.
    """
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        given = (
            f"of shape {labels.shape} and dtype {labels.dtype}"
            if isinstance(labels, np.ndarray)
            else describe_value(labels)
        )
        raise ConfigurationError(
            f"labels is {given}: it must be an int8 array of shape (classes,)", parameter="labels"
        )
    # With int8, comparing the bytes takes a fraction of the time of comparing the numbers.
    if labels.dtype == np.int8:
        wrong = labels.tobytes().translate(None, _LABEL_BYTES) != b""
    else:
        wrong = not np.isin(labels, (PRESENT, ABSENT, IGNORE)).all()
    if wrong:
        values = ", ".join(str(value) for value in np.setdiff1d(labels, (PRESENT, ABSENT, IGNORE))[:5])
        raise ConfigurationError(
            f"labels contains {values}: each label must be 1 (present), -1 (absent) or 0 (ignored)",
            parameter="labels",
        )
    checked: Labels = labels.astype(np.int8, copy=False)
    checked.setflags(write=False)
    return checked


def _check_names(name: str, classes: tuple[str, ...]) -> None:
    for text, parameter in ((name, "name"), *((item, "classes") for item in classes)):
        if not is_encodable(text):
            raise ConfigurationError(
                f"{parameter} contains {text!r}, which UTF-8 cannot encode: rename it", parameter=parameter
            )
    seen: set[str] = set()
    for item in classes:
        if not item.strip():
            raise ConfigurationError("classes contains an empty name: remove it", parameter="classes")
        if item in seen:
            raise ConfigurationError(
                f"classes contains {item!r} more than once: list each class only once", parameter="classes"
            )
        seen.add(item)

"""Samples and boxes while a dataset is being read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from freeloc.datasets.box_frames import BoxConversion
from freeloc.datasets.dataset import AnnotatedBox, Labels, Sample
from freeloc.geometry.orientation import ImageFrame
from freeloc.geometry.size import Size

__all__ = ["BoxDraft", "DeclaredSize", "SampleDraft"]


class DeclaredSize(NamedTuple):
    """The size of an image according to its annotation, and where the annotation states it."""

    size: Size
    file: Path
    line: int | None


@dataclass(slots=True)
class SampleDraft:
    """A sample under construction: one row of a dataset's list, with annotations that may still be incomplete.

    Attributes:
        path: the image file.
        file: the file that lists the image.
        line: line number in ``file``; None if the row has none.
        prefix: start of every message about the row, such as "image 285: "; empty if the line number identifies
            the row.
        size: size of the upright image; None until the image has been decoded.
        content_hash: hash of the image file's bytes; None until the image has been decoded.
        frame: size and orientation of the image; None until its header has been read.
        declared: the size that the image has according to its annotation, or None.
        conversion: how the boxes were converted to image coordinates; None if they were not.
        labels: (K,) int8; empty until the labels are known.
        boxes: the annotated boxes; None until they are known, or if boxes are not read.
        split: the split that contains the image, if the dataset says so and was read as a whole; None otherwise.
        perceptual_hash: hash of what the image shows; None unless `DatasetChecks.for_check` is set.
        bad: whether the row has a problem.
    """

    path: Path
    file: Path
    line: int | None
    prefix: str = ""
    size: Size | None = None
    content_hash: str | None = None
    frame: ImageFrame | None = None
    declared: DeclaredSize | None = None
    conversion: BoxConversion | None = None
    labels: Labels = field(default_factory=lambda: np.zeros(0, np.int8))
    boxes: tuple[AnnotatedBox, ...] | None = None
    split: str | None = None
    perceptual_hash: int | None = None
    bad: bool = False

    @property
    def image(self) -> str:
        """The image's name in messages: "this image" if the report already names the image file."""
        return "this image" if self.path == self.file else f"image {self.path}"

    @property
    def declared_size(self) -> Size | None:
        """The size that the image has according to its annotation, or None."""
        return None if self.declared is None else self.declared.size

    def sample(self) -> Sample:
        """Return the finished sample."""
        return Sample(
            path=self.path,
            labels=self.labels,
            boxes=self.boxes,
            size=self.size,
            content_hash=self.content_hash,
            split=self.split,
            perceptual_hash=self.perceptual_hash,
        )


class BoxDraft(NamedTuple):
    """A box as read from an annotation file, and its position in the file.

    Attributes:
        sample: the image.
        box: the box, in pixels of the raster that has the declared size.
        file: the file that contains the box.
        line: line number in ``file``.
        has_sides: whether the file gives the width and height of boxes, instead of right and bottom edges.
    """

    sample: SampleDraft
    box: AnnotatedBox
    file: Path
    line: int | None
    has_sides: bool

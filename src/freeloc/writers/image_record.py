"""The record of one image's prediction as typed values, as writers of other formats use it.

`freeloc.writers.record` describes the fields. A record that was just computed and one that is read from
``predictions.jsonl`` are equal, so that both are written to other formats in the same way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from freeloc.geometry.box import Corners
from freeloc.geometry.size import Size
from freeloc.io.typed_json import convert_json

__all__ = [
    "BoxRecord",
    "ClassRecord",
    "ImageRecord",
    "MaskRecord",
    "ModelRecord",
    "PeakRecord",
    "parse_record",
]

_Side = Annotated[int, msgspec.Meta(ge=1, le=2**24)]
_Index = Annotated[int, msgspec.Meta(ge=0)]
_Version = Annotated[int, msgspec.Meta(ge=1, le=1)]


@dataclass(frozen=True, slots=True)
class PeakRecord:
    """A local maximum of a map.

    Attributes:
        x: horizontal image coordinate.
        y: vertical image coordinate.
        value: value of the map.
    """

    x: float
    y: float
    value: float


@dataclass(frozen=True, slots=True)
class BoxRecord:
    """A box in image coordinates, with its score between 0 and 1."""

    x1: float
    y1: float
    x2: float
    y2: float
    score: float

    @property
    def corners(self) -> Corners:
        """The edges x1, y1, x2, y2."""
        return self.x1, self.y1, self.x2, self.y2


@dataclass(frozen=True, slots=True)
class MaskRecord:
    """The pixels of a class, in COCO's compressed run-length encoding.

    Attributes:
        size: height and width.
        counts: the encoding; see `freeloc.writers.masks`.
    """

    size: tuple[_Side, _Side]
    counts: str


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """Name, version and SHA-256 of a model; None where unknown."""

    name: str | None = None
    version: str | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """What was predicted for one class.

    Numbers are None if a damaged model produced NaN or infinity.

    Attributes:
        name: the class.
        index: its place among the model's classes, from 0.
        score: raw score.
        probability: calibrated probability.
        x: horizontal image coordinate of the point.
        y: vertical image coordinate of the point.
        response: value of the map at the point.
        threshold: minimum probability at which the class counts as present.
        present: whether the class counts as present.
        peaks: local maxima of the map; None if they were not requested.
        boxes: boxes, highest score first; None if they were not requested.
        mask: pixels of the class; None if they were not requested, or if the class is not present.
    """

    name: str
    index: _Index
    score: float | None
    probability: float | None
    x: float | None
    y: float | None
    response: float | None
    threshold: float | None
    present: bool
    peaks: tuple[PeakRecord, ...] | None = None
    boxes: tuple[BoxRecord, ...] | None = None
    mask: MaskRecord | None = None

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The x and y of each peak or, if peaks were not requested, of the point."""
        if self.peaks:
            return tuple((peak.x, peak.y) for peak in self.peaks)
        return () if self.x is None or self.y is None else ((self.x, self.y),)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What was predicted for one image.

    Attributes:
        image: path of the image or video, as specified by the caller.
        width: width of the upright image in pixels.
        height: its height.
        classes: every class of the model, by decreasing probability.
        model: the model; None if unknown.
        files: other files written for the image, relative to the output folder.
        frame: number of a frame of a video, counted from 0; None for an image.
        time: when the frame is presented, in seconds; None for an image.
    """

    schema_version: _Version
    image: str
    width: _Side
    height: _Side
    classes: tuple[ClassRecord, ...]
    model: ModelRecord | None = None
    files: tuple[str, ...] = ()
    frame: _Index | None = None
    time: float | None = None

    @property
    def size(self) -> Size:
        """Size of the upright image."""
        return Size(self.width, self.height)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all classes, in the order of the model."""
        return tuple(each.name for each in sorted(self.classes, key=lambda each: each.index))

    @property
    def present(self) -> tuple[ClassRecord, ...]:
        """The present classes, most probable first."""
        return tuple(each for each in self.classes if each.present)

    def annotations(self, min_box_score: float) -> tuple[ClassRecord, ...]:
        """Return the present classes with those of their boxes that reach a score, most probable first."""
        return tuple(
            dataclasses.replace(
                each, boxes=tuple(box for box in each.boxes or () if box.score >= min_box_score)
            )
            for each in self.present
        )

    def at(self, threshold: float) -> ImageRecord:
        """Return the record with another threshold for all classes; masks of further classes are unknown."""
        classes = tuple(
            dataclasses.replace(
                each,
                threshold=threshold,
                present=each.probability is not None and each.probability >= threshold,
            )
            for each in self.classes
        )
        return dataclasses.replace(self, classes=classes)


def parse_record(values: Mapping[str, Any]) -> ImageRecord:
    """Return a record from its JSON values.

    Raises:
        ValueError: a field is missing, or has the wrong type; the message names it.
    """
    record = convert_json(values, ImageRecord)
    for field in ("name", "index"):
        if len({getattr(each, field) for each in record.classes}) < len(record.classes):
            raise ValueError(f"classes: two of them have the same {field}")
    return record

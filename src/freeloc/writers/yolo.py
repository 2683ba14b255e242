"""Write datasets for training YOLO detectors and YOLO pose models, in the layout that ultralytics reads.

``yolo/data.yaml`` names the classes. Each image has a file in ``yolo/labels`` with one line per box: the index of
the class, and the center x and y, width and height of the box as fractions of the sides of the upright image. In
``yolo-pose``, the x and y of the point and its visibility follow: 2, or 0 0 0 for a box without a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar, Final

from freeloc.errors import OutputError
from freeloc.geometry.box import Corners
from freeloc.geometry.box_formats import center_fractions
from freeloc.geometry.fractions import point_fractions
from freeloc.geometry.size import Size
from freeloc.io.atomic import write_text
from freeloc.writers.base import WriterOptions
from freeloc.writers.clipped_boxes import clipped_boxes
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.image_record import ClassRecord, ImageRecord
from freeloc.writers.point_pairs import pair_points
from freeloc.writers.record_writer import RecordWriter
from freeloc.writers.unicode_names import check_unicode_names

__all__ = ["YoloPoseWriter", "YoloWriter"]

_DECIMALS: Final = 6
"""Decimals of fractions: a thousandth of a pixel in an image of 1,000 pixels."""


class YoloWriter(RecordWriter):
    """Writer of ``yolo``: labels of the boxes of present classes, with the images and ``data.yaml``.

    An image without a present class has an empty file of labels, which makes it a negative example in training.
    Boxes are clipped to the image; no box is written twice, or without an area.
    """

    name: ClassVar[str] = "yolo"
    needs_boxes: ClassVar[bool] = True
    place: ClassVar[str | None] = "yolo"
    keys: ClassVar[str] = ""
    """Further lines of ``data.yaml``."""

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self._description: Path | None = None

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Write the labels of one image, and link or copy the image.

        Raises:
            OutputError: a file cannot be written, or a name cannot be written in the format.
        """
        if any(part.startswith(".") for part in PurePosixPath(name).parts):
            raise OutputError(
                f"cannot write {self.name}: {record.image} is hidden, or in a hidden folder, and YOLO would leave "
                "it out; rename it"
            )
        if "images" in PurePosixPath(name).parts[:-1]:
            raise OutputError(
                f"cannot write {self.name}: {record.image} is in a folder called images, and YOLO would look for "
                "its labels in a folder beside that one; rename the folder"
            )
        if self._description is None:
            self._write_description(record.names)
        source, how = Path(record.image), self.options.image_files
        if how != "none":
            target = self.path_of(f"{self.name}/images/{image_file_name(source, name, how)}")
            place_image(source, target, how)
            self.files.append(target)
        labels = self.path_of(f"{self.name}/labels/{name}.txt")
        names = record.names
        annotations = record.annotations(self.options.min_box_score)
        lines = dict.fromkeys(
            f"{names.index(each.name)} {row}" for each in annotations for row in self._rows(each, record.size)
        )
        write_text(labels, "".join(f"{line}\n" for line in lines))
        self.files.append(labels)

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """List ``data.yaml``, which is not about any single image."""
        if self._description is not None:
            self.files.append(self._description)

    def resume(self, position: int) -> None:
        """Continue: the files of earlier images are complete, and ``data.yaml`` is written again."""

    def row(self, box: Corners, point: tuple[float, float] | None, size: Size) -> list[str] | None:  # noqa: ARG002
        """Return the columns of a line after the class; None for a box without an area."""
        values = [_fraction(value) for value in center_fractions(box, size)]
        return None if _fraction(0) in values[2:] else values

    def _rows(self, each: ClassRecord, size: Size) -> list[str]:
        boxes = clipped_boxes(each.boxes or (), size)
        points = pair_points(boxes, each.points)
        rows = [self.row(box.corners, point, size) for box, point in zip(boxes, points, strict=True)]
        return [" ".join(row) for row in rows if row is not None]

    def _write_description(self, names: Sequence[str]) -> None:
        check_unicode_names(names, self.name)
        path = self.path_of(f"{self.name}/data.yaml")
        text = (
            "# Written by freeloc from predictions. Relative paths start in the folder of this file.\n"
            "train: images\n"
            "val: images  # the same images: name others here to validate\n"
            f"{self.keys}"
            "names:\n"
        )
        write_text(path, text + "".join(f"  {index}: {_quoted(name)}\n" for index, name in enumerate(names)))
        self._description = path


class YoloPoseWriter(YoloWriter):
    """Writer of ``yolo-pose``: as `YoloWriter`, and one point per box.

    A box has the point that `freeloc.writers.point_pairs.pair_points` assigns to it.
    """

    name: ClassVar[str] = "yolo-pose"
    place: ClassVar[str | None] = "yolo-pose"
    keys: ClassVar[str] = "kpt_shape: [1, 3]\nflip_idx: [0]\n"

    def row(self, box: Corners, point: tuple[float, float] | None, size: Size) -> list[str] | None:
        """Return the columns of a line after the class, with the point; None for a box without an area."""
        values = super().row(box, point, size)
        if values is None:
            return None
        if point is None:
            return [*values, "0", "0", "0"]
        return [*values, *map(_fraction, point_fractions(*point, size)), "2"]


def _fraction(value: float) -> str:
    return f"{min(max(value, 0.0), 1.0):.{_DECIMALS}f}"


def _quoted(text: str) -> str:
    """Return text as a double-quoted string of YAML, in which all but printable characters are escaped."""
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

"""Write one table of all images and classes, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar, Final, Self

from freeloc.io.appended_file import AppendedFile
from freeloc.writers.appending import AppendingWriter
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import RecordWriter

__all__ = ["CsvWriter"]

_FILE: Final = "predictions.csv"

_COLUMNS: Final = (
    *("image", "width", "height", "class", "score", "probability", "present", "x", "y"),
    *("box_x1", "box_y1", "box_x2", "box_y2", "box_score"),
)


class CsvWriter(RecordWriter, AppendingWriter):
    """Writer of ``predictions.csv``: one row per image and class, most probable classes first.

    The columns are the path of the image, the width and height of the upright image in pixels, the class, its raw
    score and probability, whether it is present (1 or 0), the image coordinates of its point, and those of its box
    with the highest score, with that score; they are empty if boxes were not requested, or if there is none.
    """

    name: ClassVar[str] = "csv"
    place: ClassVar[str | None] = _FILE

    def __enter__(self) -> Self:
        """Open the file, and begin it with the names of the columns."""
        path = self.path_of(_FILE)
        self._file = AppendedFile(path, self._keep)
        self.files.append(path)
        if self._file.length == 0:
            self._append(_COLUMNS)
        return self

    def write_record(self, record: ImageRecord, name: str) -> None:  # noqa: ARG002
        """Write the rows of one image.

        Raises:
            OutputError: a row cannot be written.
            ValueError: the writer is not open.
        """
        image = (record.image, record.width, record.height)
        for each in record.classes:
            box = each.boxes[0] if each.boxes else None
            edges = () if box is None else (box.x1, box.y1, box.x2, box.y2, box.score)
            row = (*image, each.name, each.score, each.probability, int(each.present), each.x, each.y, *edges)
            self._append((*row, *[None] * (len(_COLUMNS) - len(row))))

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _append(self, row: Sequence[object]) -> None:
        if self._file is None:
            raise ValueError("a CsvWriter can only write inside its with block")
        text = io.StringIO(newline="")
        csv.writer(text).writerow(row)
        # Paths may contain lone surrogates, which stand for bytes that are not UTF-8.
        self._file.append(text.getvalue().encode("utf-8", "surrogateescape"))

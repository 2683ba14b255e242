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
from freeloc.writers.table_rows import COLUMNS, table_rows

__all__ = ["CsvWriter"]

_FILE: Final = "predictions.csv"


class CsvWriter(RecordWriter, AppendingWriter):
    """Writer of ``predictions.csv``: one row per image and class, most probable classes first.

    The columns are `freeloc.writers.table_rows.COLUMNS`; ``present`` is 1 or 0, and what is unknown is empty.
    """

    name: ClassVar[str] = "csv"
    place: ClassVar[str | None] = _FILE
    takes_frames: ClassVar[bool] = True

    def __enter__(self) -> Self:
        """Open the file, and begin it with the names of the columns."""
        path = self.path_of(_FILE)
        self._file = AppendedFile(path, self._keep)
        self.files.append(path)
        if self._file.length == 0:
            self._append(COLUMNS)
        return self

    def write_record(self, record: ImageRecord, name: str) -> None:  # noqa: ARG002
        """Write the rows of one image.

        Raises:
            OutputError: a row cannot be written.
            ValueError: the writer is not open.
        """
        for row in table_rows(record):
            self._append([row[name] if name != "present" else int(row[name]) for name in COLUMNS])

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

"""Write one table of all images and classes, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import ClassVar, Final, Self

from freeloc.writers.appending import GrowingFileWriter
from freeloc.writers.class_names import check_names
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import RecordWriter
from freeloc.writers.table_rows import COLUMNS, table_rows
from freeloc.writers.unicode_names import check_unicode_names

__all__ = ["CsvWriter"]

_FILE: Final = "predictions.csv"

_NO_BYTES: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Lone surrogates that stand for no byte; they come from damaged JSON."""


class CsvWriter(RecordWriter, GrowingFileWriter):
    """Writer of ``predictions.csv``: one row per image and class, most probable classes first.

    The columns are `freeloc.writers.table_rows.COLUMNS`; ``present`` is 1 or 0, and what is unknown is empty.
    """

    name: ClassVar[str] = "csv"
    place: ClassVar[str | None] = _FILE
    takes_frames: ClassVar[bool] = True

    def __enter__(self) -> Self:
        """Open the file, and begin it with the names of the columns."""
        super().__enter__()
        if self.position() == 0:
            self._append_row(COLUMNS)
        return self

    def write_record(self, record: ImageRecord, name: str) -> None:  # noqa: ARG002
        """Write the rows of one image.

        Raises:
            OutputError: a row cannot be written, or a name is neither Unicode nor that of a file.
            ValueError: the writer is not open.
        """
        check_unicode_names(record.names, self.name)
        # Lone surrogates stand for the bytes of paths that are not UTF-8.
        check_names([record.image], _NO_BYTES, self.name, "names must be valid Unicode", "image")
        for row in table_rows(record):
            self._append_row([row[name] if name != "present" else int(row[name]) for name in COLUMNS])

    def _append_row(self, row: Sequence[object]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerow(row)
        self.append(text.getvalue().encode("utf-8", "surrogateescape"))

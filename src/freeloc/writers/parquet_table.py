"""Write one Parquet table of all images and classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final

from freeloc.errors import MissingDependencyError
from freeloc.io.atomic import atomic_path
from freeloc.writers.base import WriterOptions
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import CollectedRecords, CollectingWriter
from freeloc.writers.table_rows import COLUMNS, LIST_COLUMNS, table_rows
from freeloc.writers.unicode_names import check_unicode_names

__all__ = ["ParquetWriter"]

_FILE: Final = "predictions.parquet"

_GROUP_ROWS: Final = 20_000
"""Rows of a row group, which is held in memory."""


class ParquetWriter(CollectingWriter):
    """Writer of ``predictions.parquet``: one row per image and class, most probable classes first.

    The columns are `freeloc.writers.table_rows.COLUMNS`, as in ``predictions.csv``, and the lists ``peaks`` and
    ``boxes``.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """

    name: ClassVar[str] = "parquet"
    place: ClassVar[str | None] = _FILE
    takes_frames: ClassVar[bool] = True

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        _load("pyarrow.parquet")

    def check_record(self, record: ImageRecord) -> None:
        """Check that all names are Unicode.

        Raises:
            OutputError: one of them is not.
        """
        for names, what in ((record.names, "classes"), ([record.image], "image")):
            check_unicode_names(names, self.name, what)

    def write_all(self, records: CollectedRecords) -> None:
        """Write the table.

        Raises:
            OutputError: the file cannot be written.
        """
        pyarrow, parquet, schema = _load("pyarrow"), _load("pyarrow.parquet"), _schema()
        path = self.path_of(_FILE)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            with parquet.ParquetWriter(file, schema) as writer:
                for rows in _groups(records):
                    writer.write_table(pyarrow.Table.from_pylist(rows, schema))
            file.flush()
            os.fsync(file.fileno())
        self.files.append(path)


def _groups(records: CollectedRecords) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of all images in groups."""
    rows: list[dict[str, Any]] = []
    for record, _ in records:
        rows += table_rows(record)
        if len(rows) >= _GROUP_ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _schema() -> Any:
    """Return the Arrow schema of the table."""
    pa = _load("pyarrow")
    numbers = {name: pa.float64() for name in COLUMNS}
    others = {
        "image": pa.string(),
        "frame": pa.int64(),
        "width": pa.int32(),
        "height": pa.int32(),
        "class": pa.string(),
        "present": pa.bool_(),
    }
    lists = {
        name: pa.list_(pa.struct([(key, pa.float64()) for key in keys]))
        for name, keys in LIST_COLUMNS.items()
    }
    return pa.schema([*(numbers | others | lists).items()])


def _load(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            "Parquet tables require pyarrow, which is not installed: run pip install 'freeloc[parquet]'",
            extra="parquet",
        ) from error

"""Read CSV tag lists."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from freeloc.datasets.file_outline import read_beginning
from freeloc.datasets.tags.columns import Cells, is_label_name
from freeloc.datasets.tags.csv_records import column_names, read_records
from freeloc.datasets.tags.file_column import FILE, FileColumnError
from freeloc.datasets.tags.rows import TagSource, TagTable
from freeloc.datasets.tags.table import cells_of, check_names, file_column, read_table
from freeloc.errors import DatasetError, MalformedFileError
from freeloc.io.text import read_text

__all__ = ["has_tag_columns", "read_csv", "read_header", "read_rows"]

_FIRST_RECORDS: Final = 50
"""Number of records from which it is decided whether a file is a tag list."""


def read_csv(source: TagSource) -> TagTable:
    """Read a CSV tag list; the delimiter (comma, semicolon or tab) is detected from the header.

    `freeloc.datasets.tags.table.read_table` reads its cells.

    Args:
        source: the list.

    Returns:
        All rows, including malformed ones, with their problems.

    Raises:
        MalformedFileError: the file as a whole cannot be parsed: it is not UTF-8, has no valid header, or contains
            an unclosed quote.
        DatasetError: the file cannot be read, or −1 could mean absent or unknown.
    """
    records = read_records(read_text(source.file), source.file, usual=FILE)
    line, names = next(records, (1, []))
    return read_table(column_names(names), list(records), source, line)


def read_header(file: Path) -> list[str]:
    """Return the column names of a CSV file; an empty list if the file has no header or cannot be parsed."""
    try:
        _, names = next(read_records(read_beginning(file), file, usual=FILE), (1, []))
    except MalformedFileError:
        return []
    return column_names(names)


def read_rows(file: Path) -> tuple[int, list[str], list[tuple[int, Cells | str]]]:
    """Read a CSV file of any kind.

    Returns:
        The line number of the header; the names of the columns; and for each row, its first line number and its
        cells by column name, or a message that says what is wrong with the row.

    Raises:
        MalformedFileError: the file is not UTF-8, has two columns of one name, or contains an unclosed quote.
        DatasetError: the file cannot be read.
    """
    records = read_records(read_text(file), file, usual=FILE)
    line, names = next(records, (1, []))
    header = column_names(names)
    check_names(header, file, line)
    return line, header, [(number, cells_of(header, record)) for number, record in records]


def has_tag_columns(file: Path) -> bool:
    """Return whether a CSV file has a column of tags and one of file names, whatever their names."""
    try:
        found = islice(read_records(read_text(file), file, usual=FILE), _FIRST_RECORDS)
        records = [record for _, record in found]
        header = column_names(records[0]) if records else []
        return any(map(is_label_name, header)) and file_column(header, records[1:], ()) is not None
    except (DatasetError, FileColumnError):
        return False

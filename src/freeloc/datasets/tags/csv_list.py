"""Tag lists as CSV: with a column of tags, or in the wide form with one column per class."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from freeloc.datasets.tags.rows import NO_NAME, RowFault, TagRow, TagSource, TagTable, parse_cell
from freeloc.errors import MalformedFileError
from freeloc.io.text import read_text

__all__ = ["read_csv"]

_FILE, _TAGS, _UNKNOWN, _SPLIT = "file_name", "tags", "unknown_tags", "split"
_DELIMITERS = ",;\t"
_VALUES = {"": None, "1": 1, "+1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0, "-1": -1, "-1.0": -1}

_Cells = dict[str, str]


def read_csv(source: TagSource) -> TagTable:
    """Read a CSV tag list; cells are separated by comma, semicolon or tab, as the header shows.

    In the wide form 1 means present and an empty cell unknown. A 0 means absent, unless some cell of the
    file is −1: then −1 means absent and 0 unknown, as in VOC's class files. Columns of classes that are not
    asked for are left out, and may hold anything.

    Args:
        source: the file and what its names are relative to.

    Returns:
        All rows, also wrong ones, with what is wrong.

    Raises:
        MalformedFileError: the file as a whole cannot be read: no UTF-8, no header, a quote left open.
        FreelocError: the file cannot be opened.
    """
    records = _records(read_text(source.file), source.file)
    header_line, names = next(records, (1, []))
    header = [name.strip() for name in names]
    _check_header(header, source.file, header_line)
    rows = [(line, _cells(header, record)) for line, record in records]
    if _TAGS in header:
        return TagTable(source.file, tuple(_tagged(source, line, cells) for line, cells in rows))
    columns = tuple(name for name in header if name not in (_FILE, _SPLIT))
    return TagTable(source.file, tuple(_wide(source, columns, rows)), columns, line=header_line)


def _records(text: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, each with its first line."""
    first = next(filter(str.strip, io.StringIO(text, newline=None)), "")
    delimiter = next((mark for mark in _DELIMITERS if _FILE in _header_names(first, mark)), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise MalformedFileError(file, line, f"malformed CSV: {error}") from error
        if record is None:
            return
        if any(map(str.strip, record)):
            yield line, record


def _header_names(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


def _check_header(header: list[str], file: Path, line: int) -> None:
    if _FILE not in header:
        found = ", ".join(map(repr, filter(None, header))) or "nothing"
        raise MalformedFileError(file, line, f"the header has no column 'file_name', only {found}")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise MalformedFileError(file, line, f"the header has column {repeated[0]!r} more than once")
    if _TAGS in header:
        return
    if set(header) <= {_FILE, _SPLIT}:
        raise MalformedFileError(
            file, line, "the header has neither a column 'tags' nor a column for each class"
        )
    if wrong := [name for name in header if name in ("", _UNKNOWN)]:
        message = f"the header has a column {wrong[0]!r}, which does not go with one column for each class"
        raise MalformedFileError(file, line, message)


def _cells(header: list[str], record: list[str]) -> _Cells | str:
    """The row's cells by column, or what is wrong with it."""
    if len(record) != len(header):
        return f"the row has {len(record)} cells and the header {len(header)}"
    return dict(zip(header, map(str.strip, record), strict=True))


def _tagged(source: TagSource, line: int, cells: _Cells | str) -> TagRow:
    if isinstance(cells, str):
        return source.broken_row(line, cells)
    faults = [] if cells[_FILE] else [NO_NAME]
    return source.row(
        line,
        cells[_FILE],
        cells.get(_SPLIT, ""),
        tags=parse_cell(cells[_TAGS], _TAGS, faults),
        unknown=parse_cell(cells.get(_UNKNOWN, ""), _UNKNOWN, faults),
        faults=faults,
    )


def _wide(
    source: TagSource, columns: tuple[str, ...], rows: list[tuple[int, _Cells | str]]
) -> Iterator[TagRow]:
    wanted = columns if source.classes is None else tuple(name for name in columns if name in source.classes)
    absent = _absent(columns, wanted, [cells for _, cells in rows if not isinstance(cells, str)])
    for line, cells in rows:
        if isinstance(cells, str):
            yield source.broken_row(line, cells)
            continue
        texts = {name: cells[name].lower() for name in wanted}
        values = {name: _VALUES.get(text) for name, text in texts.items()}
        faults = [] if cells[_FILE] else [NO_NAME]
        faults += [
            RowFault("bad_value", f"{name!r} is {cells[name]!r}, not 0, 1, -1 or empty")
            for name, text in texts.items()
            if text not in _VALUES
        ]
        yield source.row(
            line,
            cells[_FILE],
            cells.get(_SPLIT, ""),
            tags=[name for name in wanted if values[name] == 1],
            unknown=[name for name in wanted if values[name] not in (1, absent)],
            faults=faults,
        )


def _absent(columns: tuple[str, ...], wanted: tuple[str, ...], rows: list[_Cells]) -> int:
    """The value that means absent.

    A class that is left out still shows how the file is meant, so that leaving it out changes no other label.
    A column of something else, such as a temperature, shows nothing.
    """
    for name in columns:
        texts = {cells[name].lower() for cells in rows}
        if (name in wanted or texts <= _VALUES.keys()) and any(_VALUES.get(text) == -1 for text in texts):
            return -1
    return 0

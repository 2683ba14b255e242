"""Read CSV tag lists, which have either a column of tags or, in the wide form, one column per class."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from freeloc.datasets.tags.rows import NO_FILE_NAME, RowProblem, TagRow, TagSource, TagTable, parse_tags
from freeloc.errors import MalformedFileError
from freeloc.io.text import read_text

__all__ = ["read_csv"]

_FILE, _TAGS, _UNKNOWN, _SPLIT = "file_name", "tags", "unknown_tags", "split"
_DELIMITERS = ",;\t"
_VALUES = {"": None, "1": 1, "+1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0, "-1": -1, "-1.0": -1}

_Cells = dict[str, str]


def read_csv(source: TagSource) -> TagTable:
    """Read a CSV tag list; the delimiter (comma, semicolon or tab) is detected from the header.

    In the wide form, 1 means present and an empty cell means unknown. 0 means absent unless any cell of the file
    is −1; in that case, −1 means absent and 0 means unknown, as in VOC's class files. Columns of classes that are
    not chosen are left out and may contain anything.

    Args:
        source: the list.

    Returns:
        All rows, including malformed ones, with their problems.

    Raises:
        MalformedFileError: the file as a whole cannot be parsed: it is not UTF-8, has no valid header, or contains
            an unclosed quote.
        DatasetError: the file cannot be read.
    """
    records = _read_records(read_text(source.file), source.file)
    header_line, names = next(records, (1, []))
    header = [name.strip() for name in names]
    _check_header(header, source.file, header_line)
    rows = [(line, _cells(header, record)) for line, record in records]
    if _TAGS in header:
        return TagTable(source.file, tuple(_parse_row(source, line, cells) for line, cells in rows))
    columns = tuple(name for name in header if name not in (_FILE, _SPLIT))
    return TagTable(source.file, tuple(_parse_wide_rows(source, columns, rows)), columns, line=header_line)


def _read_records(text: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line number and the cells of each non-empty record."""
    first = next(filter(str.strip, io.StringIO(text, newline=None)), "")
    delimiter = next((mark for mark in _DELIMITERS if _FILE in _split_header(first, mark)), ",")
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


def _split_header(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


def _check_header(header: list[str], file: Path, line: int) -> None:
    if _FILE not in header:
        names = ", ".join(map(repr, filter(None, header)))
        reason = f", only {names}" if names else ": it is empty"
        raise MalformedFileError(file, line, f"the header has no column 'file_name'{reason}")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise MalformedFileError(file, line, f"the header has column {repeated[0]!r} more than once")
    if _TAGS in header:
        return
    if set(header) <= {_FILE, _SPLIT}:
        raise MalformedFileError(
            file, line, "the header has neither a column 'tags' nor one column per class"
        )
    if wrong := [name for name in header if name in ("", _UNKNOWN)]:
        reason = f"the header has a column {wrong[0]!r}, which is not allowed with one column per class"
        raise MalformedFileError(file, line, reason)


def _cells(header: list[str], record: list[str]) -> _Cells | str:
    """Return the cells of a row by column name, or a message that says what is wrong with the row."""
    if len(record) != len(header):
        return f"the row has {len(record)} cells, but the header has {len(header)}"
    return dict(zip(header, map(str.strip, record), strict=True))


def _parse_row(source: TagSource, line: int, cells: _Cells | str) -> TagRow:
    if isinstance(cells, str):
        return source.malformed_row(line, cells)
    problems = [] if cells[_FILE] else [NO_FILE_NAME]
    return source.row(
        line,
        cells[_FILE],
        cells.get(_SPLIT, ""),
        tags=parse_tags(cells[_TAGS], _TAGS, problems),
        unknown=parse_tags(cells.get(_UNKNOWN, ""), _UNKNOWN, problems),
        problems=problems,
    )


def _parse_wide_rows(
    source: TagSource, columns: tuple[str, ...], rows: list[tuple[int, _Cells | str]]
) -> Iterator[TagRow]:
    classes = columns if source.classes is None else tuple(name for name in columns if name in source.classes)
    absent = _absent_value(columns, classes, [cells for _, cells in rows if not isinstance(cells, str)])
    for line, cells in rows:
        if isinstance(cells, str):
            yield source.malformed_row(line, cells)
            continue
        texts = {name: cells[name].lower() for name in classes}
        values = {name: _VALUES.get(text) for name, text in texts.items()}
        problems = [] if cells[_FILE] else [NO_FILE_NAME]
        problems += [
            RowProblem("bad_value", f"{name!r} is {cells[name]!r}, not 0, 1, -1 or empty")
            for name, text in texts.items()
            if text not in _VALUES
        ]
        yield source.row(
            line,
            cells[_FILE],
            cells.get(_SPLIT, ""),
            tags=[name for name in classes if values[name] == 1],
            unknown=[name for name in classes if values[name] not in (1, absent)],
            problems=problems,
        )


def _absent_value(columns: tuple[str, ...], classes: tuple[str, ...], rows: list[_Cells]) -> int:
    """Return the value that marks absent classes.

    Columns of classes that are not chosen are considered as well, so that leaving them out does not change the
    labels of the chosen classes. A column that is not chosen and contains other values, such as temperatures, is
    ignored.
    """
    for name in columns:
        texts = {cells[name].lower() for cells in rows}
        if (name in classes or texts <= _VALUES.keys()) and any(_VALUES.get(text) == -1 for text in texts):
            return -1
    return 0

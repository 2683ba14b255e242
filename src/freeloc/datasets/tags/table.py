"""Read tables of tags, which have either a column of tags or, in the wide form, one column per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from freeloc._log import get_logger
from freeloc.datasets.tags.cells import parse_tags
from freeloc.datasets.tags.columns import (
    SPLIT,
    TAGS,
    UNKNOWN,
    Cells,
    Columns,
    choose_columns,
    is_value,
    parse_value,
)
from freeloc.datasets.tags.file_column import FILE, FileColumnError, find_file_column
from freeloc.datasets.tags.repeated_rows import drop_missing_words
from freeloc.datasets.tags.rows import NO_FILE_NAME, RowProblem, TagRow, TagSource, TagTable
from freeloc.errors import DatasetOptionError, MalformedFileError

__all__ = ["cells_of", "check_names", "file_column", "read_table"]

_log = get_logger(__name__)


def read_table(
    names: Sequence[str], records: Sequence[tuple[int, Sequence[str]]], source: TagSource, line: int | None
) -> TagTable:
    """Read a table of tags.

    If no column is called ``file_name``, the only one that contains file names is read instead, and the log says
    so. `freeloc.datasets.tags.columns` decides what each other column contains. In the wide form, 1 means present
    and an empty cell means unknown. 0 means absent unless any cell of the table is −1; in that case, −1 means
    absent and 0 means unknown, as in VOC's class files, unless ``source.minus_one`` says otherwise. Columns of
    classes that are not chosen are left out and may contain anything.

    Args:
        names: the names of the columns, in their usual spelling.
        records: the number and the cells of each row.
        source: where the table comes from, and how to read it.
        line: line number of the header; None if it has none.

    Returns:
        All rows, including malformed ones, with their problems.

    Raises:
        MalformedFileError: the header is not valid.
        DatasetError: −1 could mean absent or unknown.
    """
    header = list(names)
    check_names(header, source.file, line)
    source = replace(source, classes=source.wanted(names))
    if FILE not in header:
        _name_file_column(header, [record for _, record in records], source, line)
    if TAGS not in header and set(header) <= {FILE, SPLIT}:
        reason = "the header has neither a column 'tags' nor one column per class: add one of them"
        raise MalformedFileError(source.file, line, reason)
    rows = [(number, cells_of(header, record)) for number, record in records]
    columns = choose_columns(header, [cells for _, cells in rows if not isinstance(cells, str)], source, line)
    if columns.tags is None:
        parsed = tuple(_parse_wide_rows(source, columns, rows))
        return TagTable(
            source.file,
            parsed,
            columns.classes,
            line=line,
            problems=columns.problems,
            left_out=_columns_left_out(source, columns, rows),
        )
    parsed = tuple(_parse_row(source, columns, columns.tags, number, cells) for number, cells in rows)
    return drop_missing_words(TagTable(source.file, parsed, line=line), source)


def file_column(header: Sequence[str], records: Sequence[Sequence[str]], chosen: Sequence[str]) -> int:
    """Return the index of the column of file names; see `find_file_column`."""
    full = [record for record in records if len(record) == len(header)]
    cells = [[record[index].strip() for record in full] for index in range(len(header))]
    return find_file_column(header, cells, (TAGS, UNKNOWN, SPLIT, *chosen))


def _name_file_column(
    header: list[str], records: Sequence[Sequence[str]], source: TagSource, line: int | None
) -> None:
    """Call the column of file names ``file_name`` in the header, and log its name."""
    try:
        index = file_column(header, records, source.classes or ())
    except FileColumnError as error:
        raise MalformedFileError(source.file, line, str(error)) from None
    _log.warning("%s: the file name of each image is read from column %r", source.file, header[index])
    header[index] = FILE


def check_names(header: Sequence[str], file: Path, line: int | None) -> None:
    """Check that no two columns have the same name.

    Raises:
        MalformedFileError: two columns do.
    """
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise MalformedFileError(file, line, f"the header has column {repeated[0]!r} more than once")


def cells_of(header: Sequence[str], record: Sequence[str]) -> Cells | str:
    """Return the cells of a row by column name, or a message that says what is wrong with the row."""
    if len(record) != len(header):
        return f"the row has {len(record)} cells, but the header has {len(header)}"
    return dict(zip(header, map(str.strip, record), strict=True))


def _parse_row(source: TagSource, columns: Columns, tags: str, line: int, cells: Cells | str) -> TagRow:
    if isinstance(cells, str):
        return source.malformed_row(line, cells)
    problems = [] if cells[FILE] else [NO_FILE_NAME]
    return source.row(
        line,
        cells[FILE],
        columns.split_of(cells),
        tags=parse_tags(cells[tags], tags, problems),
        unknown=parse_tags(cells.get(UNKNOWN, ""), UNKNOWN, problems),
        problems=problems,
    )


def _parse_wide_rows(
    source: TagSource, columns: Columns, rows: list[tuple[int, Cells | str]]
) -> Iterator[TagRow]:
    chosen = columns.classes if source.classes is None else source.classes
    if source.rules.untagged == "unknown":  # whether an image has a tag depends on all columns
        chosen = (*chosen, *_columns_left_out(source, columns, rows))
    classes = tuple(name for name in columns.classes if name in chosen)
    absent = _absent_value(
        source, columns.classes, classes, [cells for _, cells in rows if not isinstance(cells, str)]
    )
    for line, cells in rows:
        if isinstance(cells, str):
            yield source.malformed_row(line, cells)
            continue
        values = {name: parse_value(cells[name]) for name in classes}
        problems = [] if cells[FILE] else [NO_FILE_NAME]
        problems += [
            RowProblem("bad_value", f"{name!r} is {cells[name]!r}, not 0, 1, -1 or empty")
            for name in classes
            if not is_value(cells[name])
        ]
        yield source.row(
            line,
            cells[FILE],
            columns.split_of(cells),
            tags=[name for name in classes if values[name] == 1],
            unknown=[name for name in classes if values[name] not in (1, absent)],
            problems=problems,
        )


def _columns_left_out(
    source: TagSource, columns: Columns, rows: list[tuple[int, Cells | str]]
) -> tuple[str, ...]:
    """Return the columns of labels that were not chosen, without columns that contain other data."""
    others = [name for name in columns.classes if name not in (source.classes or columns.classes)]
    cells = [row for _, row in rows if not isinstance(row, str)]
    return tuple(name for name in others if all(is_value(row[name]) for row in cells))


def _absent_value(
    source: TagSource, columns: tuple[str, ...], classes: tuple[str, ...], rows: Sequence[Cells]
) -> int:
    """Return the value that marks absent classes: −1 or 0.

    Columns of classes that are not chosen are considered as well, so that leaving them out does not change the
    labels of the chosen classes. A column that is not chosen and contains other values, such as temperatures, is
    ignored.

    Raises:
        DatasetError: −1 has two readings, because a column contains −1, 0 and empty cells.
    """
    if source.minus_one is not None:
        return -1 if source.minus_one == "absent" else 0
    found: set[int | None] = set()
    for name in columns:
        texts = {cells[name] for cells in rows}
        if name not in classes and not all(map(is_value, texts)):
            continue
        values = {parse_value(text) for text in texts if is_value(text)}
        if {-1, 0, None} <= values:
            raise DatasetOptionError(
                f"{source.file}: column {name!r} contains -1, 0 and empty cells, which has two readings: choose "
                "whether -1 means absent (and 0 unknown, as in Pascal VOC) or unknown (and 0 absent)",
                path=source.file,
                parameter="minus_one",
            )
        found |= values
    if {-1, 0} <= found:
        _log.warning("%s: -1 is read as absent and 0 as unknown; minus_one changes this", source.file)
    return -1 if -1 in found else 0

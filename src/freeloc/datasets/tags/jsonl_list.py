"""Read JSONL tag lists, which have one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from freeloc._log import get_logger
from freeloc.datasets.json_values import is_null
from freeloc.datasets.tags.cells import check_tags, parse_tags
from freeloc.datasets.tags.columns import SPLIT, TAGS, UNKNOWN, is_label_name
from freeloc.datasets.tags.file_column import FILE, FileColumnError, find_file_column
from freeloc.datasets.tags.repeated_rows import drop_missing_words
from freeloc.datasets.tags.rows import NO_FILE_NAME, RowProblem, TagRow, TagSource, TagTable
from freeloc.errors import MalformedFileError
from freeloc.io.text import read_text

__all__ = ["has_tag_fields", "read_jsonl", "read_objects"]

_log = get_logger(__name__)


def read_jsonl(source: TagSource) -> TagTable:
    """Read a JSONL tag list.

    Each line is an object with the fields ``file_name`` and ``tags`` and, optionally, ``unknown_tags`` and
    ``split``. Tags are given as a list of strings, one per tag, or as a single string, as in a CSV cell. If no
    object has a field ``file_name`` or ``tags``, the only one that could be meant is read instead, and the log
    says so.

    Args:
        source: the list.

    Returns:
        All rows, including malformed ones, with their problems.

    Raises:
        MalformedFileError: the file is not UTF-8, or no field contains file names.
        DatasetError: the file cannot be read.
    """
    return read_objects(
        source, [(line, _parse_record(text)) for line, text in _lines(read_text(source.file))]
    )


def read_objects(source: TagSource, records: Sequence[tuple[int, dict[str, object] | str]]) -> TagTable:
    """Read a tag list that consists of objects with the fields of a JSONL list.

    Args:
        source: the list.
        records: the line number of each object, with the object or a message that says what is wrong with it.

    Raises:
        MalformedFileError: no field contains file names.
    """
    try:
        fields = _find_fields(
            [record for _, record in records if isinstance(record, dict)], source.classes or ()
        )
    except FileColumnError as error:
        raise MalformedFileError(source.file, records[0][0], str(error)) from None
    for name, field in ((FILE, fields.file), (TAGS, fields.tags)):
        if field != name:
            _log.warning("%s: the field %r is read as %r", source.file, field, name)
    rows = (_parse_row(source, line, record, fields) for line, record in records)
    return drop_missing_words(TagTable(source.file, tuple(rows)), source)


def has_tag_fields(text: str) -> bool:
    """Return whether the first line of a JSONL file has fields of tags and of file names, whatever their names."""
    first = next(_lines(text), None)
    record = None if first is None else _parse_record(first[1])
    if not isinstance(record, dict):
        return False
    try:
        return any(map(is_label_name, record)) and _find_fields([record], ()) is not None
    except FileColumnError:
        return False


class _Fields(NamedTuple):
    """The names of the fields that contain the file name and the tags."""

    file: str
    tags: str


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is not empty."""
    # Only "\n" ends a line, because a string may contain other line separators, such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip(" \t\r\n\ufeff"):
            yield number, line


def _parse_record(text: str) -> dict[str, object] | str:
    """Return the object in a line, or a message that says what is wrong with the line."""
    try:
        record = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        return f"malformed JSON: {error.msg} at column {error.colno}"
    except ValueError:
        # Python refuses to convert integers of more than a few thousand digits.
        return "malformed JSON: a number has too many digits"
    except RecursionError:
        return "malformed JSON: it is nested too deeply"
    return record if isinstance(record, dict) else "the row is not a JSON object"


def _find_fields(records: Sequence[dict[str, object]], chosen: Sequence[str]) -> _Fields:
    """Return the names of the fields of file names and of tags.

    Raises:
        FileColumnError: no field, or more than one, could contain the file names.
    """
    names = list(dict.fromkeys(name for record in records for name in record))
    file, tags = FILE, TAGS
    if names and FILE not in names:
        values = [[record.get(name) for record in records] for name in names]
        cells = [[value.strip() if isinstance(value, str) else "" for value in each] for each in values]
        file = names[find_file_column(names, cells, (TAGS, UNKNOWN, SPLIT, *chosen), noun="field")]
    if TAGS not in names:
        labels = [
            name
            for name in names
            if is_label_name(name) and any(isinstance(record.get(name), str | list) for record in records)
        ]
        tags = labels[0] if len(labels) == 1 else TAGS
    return _Fields(file, tags)


def _parse_row(source: TagSource, line: int, record: dict[str, object] | str, fields: _Fields) -> TagRow:
    if isinstance(record, str):
        return source.malformed_row(line, record)
    problems: list[RowProblem] = []
    name = _get_string(record, fields.file, problems)
    if not name and not problems:
        problems.append(NO_FILE_NAME)
    if is_null(record.get(fields.tags)):
        problems.append(RowProblem("bad_value", "the row has no tags"))
    return source.row(
        line,
        name,
        _get_string(record, SPLIT, problems),
        tags=_get_tags(record, fields.tags, problems),
        unknown=_get_tags(record, UNKNOWN, problems),
        problems=problems,
    )


def _get_string(record: dict[str, object], key: str, problems: list[RowProblem]) -> str:
    value = record.get(key)
    if is_null(value):
        return ""
    if isinstance(value, str):
        return value.strip()
    problems.append(RowProblem("bad_value", f"{key} is {value!r}, not a string"))
    return ""


def _get_tags(record: dict[str, object], key: str, problems: list[RowProblem]) -> tuple[str, ...]:
    value = record.get(key)
    if is_null(value):
        return ()
    if isinstance(value, str):
        return parse_tags(value.strip(), key, problems)
    return check_tags(value, key, problems)

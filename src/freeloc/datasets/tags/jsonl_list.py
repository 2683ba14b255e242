"""Read JSONL tag lists, which have one JSON object per line."""

from __future__ import annotations

import json

from freeloc.datasets.json_values import is_null
from freeloc.datasets.tags.cells import check_tags, parse_tags
from freeloc.datasets.tags.repeated_rows import drop_missing_words
from freeloc.datasets.tags.rows import NO_FILE_NAME, RowProblem, TagRow, TagSource, TagTable
from freeloc.io.text import read_text

__all__ = ["read_jsonl"]


def read_jsonl(source: TagSource) -> TagTable:
    """Read a JSONL tag list.

    Each line is an object with the fields ``file_name`` and ``tags`` and, optionally, ``unknown_tags`` and
    ``split``. Tags are given as a list of strings, one per tag, or as a single string, as in a CSV cell.

    Args:
        source: the list.

    Returns:
        All rows, including malformed ones, with their problems.

    Raises:
        MalformedFileError: the file is not UTF-8.
        DatasetError: the file cannot be read.
    """
    # Only "\n" ends a line, because a string may contain other line separators, such as U+2028.
    lines = enumerate(read_text(source.file).split("\n"), start=1)
    rows = (_parse_row(source, line, text) for line, text in lines if text.strip(" \t\r\n\ufeff"))
    return drop_missing_words(TagTable(source.file, tuple(rows)), source.classes)


def _parse_row(source: TagSource, line: int, text: str) -> TagRow:
    try:
        record = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        return source.malformed_row(line, f"malformed JSON: {error.msg} at column {error.colno}")
    except ValueError:
        # Python refuses to convert integers of more than a few thousand digits.
        return source.malformed_row(line, "malformed JSON: a number has too many digits")
    except RecursionError:
        return source.malformed_row(line, "malformed JSON: it is nested too deeply")
    if not isinstance(record, dict):
        return source.malformed_row(line, "the row is not a JSON object")
    problems: list[RowProblem] = []
    name = _get_string(record, "file_name", problems)
    if not name and not problems:
        problems.append(NO_FILE_NAME)
    if is_null(record.get("tags")):
        problems.append(RowProblem("bad_value", "the row has no tags"))
    return source.row(
        line,
        name,
        _get_string(record, "split", problems),
        tags=_get_tags(record, "tags", problems),
        unknown=_get_tags(record, "unknown_tags", problems),
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

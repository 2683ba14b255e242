"""Tag lists as JSONL: one JSON object per line."""

from __future__ import annotations

import json

from freeloc.datasets.tags.rows import (
    NO_NAME,
    RowFault,
    TagRow,
    TagSource,
    TagTable,
    checked_tags,
    parse_cell,
)
from freeloc.io.text import read_text

__all__ = ["read_jsonl"]


def read_jsonl(source: TagSource) -> TagTable:
    """Read a JSONL tag list.

    Each line is an object with ``file_name`` and ``tags``, and perhaps ``unknown_tags`` and ``split``. Tags
    are a list of strings, each one tag as it stands, or a string as in a CSV cell.

    Args:
        source: the file and what its names are relative to.

    Returns:
        All rows, also wrong ones, with what is wrong.

    Raises:
        MalformedFileError: the file is not UTF-8.
        FreelocError: the file cannot be opened.
    """
    # Only "\n" ends a line: a string may hold other line ends, such as U+2028.
    lines = enumerate(read_text(source.file).split("\n"), start=1)
    return TagTable(source.file, tuple(_row(source, line, text) for line, text in lines if text.strip()))


def _row(source: TagSource, line: int, text: str) -> TagRow:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        return source.broken_row(line, f"malformed JSON: {error.msg} at column {error.colno}")
    except ValueError:
        # Python reads no whole number of more than some thousand digits.
        return source.broken_row(line, "malformed JSON: a number in it has too many digits")
    except RecursionError:
        return source.broken_row(line, "malformed JSON: it is nested too deep")
    if not isinstance(record, dict):
        return source.broken_row(line, "the row is no JSON object")
    faults: list[RowFault] = []
    name = _string(record, "file_name", faults)
    if not name and not faults:
        faults.append(NO_NAME)
    if "tags" not in record:
        faults.append(RowFault("bad_value", "the row has no tags"))
    return source.row(
        line,
        name,
        _string(record, "split", faults),
        tags=_tags(record, "tags", faults),
        unknown=_tags(record, "unknown_tags", faults),
        faults=faults,
    )


def _string(record: dict[str, object], key: str, faults: list[RowFault]) -> str:
    value = record.get(key)
    if value is None or isinstance(value, str):
        return (value or "").strip()
    faults.append(RowFault("bad_value", f"{key} is {value!r}, not a string"))
    return ""


def _tags(record: dict[str, object], key: str, faults: list[RowFault]) -> tuple[str, ...]:
    value = record.get(key, "")
    return (
        parse_cell(value.strip(), key, faults) if isinstance(value, str) else checked_tags(value, key, faults)
    )

"""Read tags that are in memory: a dictionary, or a DataFrame of pandas or polars."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

from freeloc.datasets.data_source import DataFrame, TagsInMemory
from freeloc.datasets.json_values import is_null
from freeloc.datasets.tags.columns import TAGS
from freeloc.datasets.tags.csv_records import column_names
from freeloc.datasets.tags.file_column import FILE
from freeloc.datasets.tags.rows import TagSource, TagTable
from freeloc.datasets.tags.table import read_table
from freeloc.errors import ConfigurationError

__all__ = ["cell_of", "read_in_memory", "source_name"]

_MISSING_TYPES: Final = ("NAType", "NaTType")
"""Types of the values that stand for a missing value in columns of pandas, besides None and NaN."""


def source_name(data: TagsInMemory) -> str:
    """Return what data in memory is called in messages, in place of a file."""
    return "dictionary" if isinstance(data, Mapping) else "DataFrame"


def read_in_memory(data: TagsInMemory, source: TagSource) -> TagTable:
    """Read tags in memory like a CSV file with the same cells; rows are counted from 1.

    Args:
        data: the tags of each image by its path; or a DataFrame with a column of file names and either a column of
            tags or one column per class. Tags are a list or set of strings, or one string in which they are
            separated. None and NaN are empty cells.
        source: how to read the table.

    Returns:
        All rows, including malformed ones, with their problems.

    Raises:
        MalformedFileError: the columns are not those of a tag list.
        DatasetError: −1 could mean absent or unknown.
        ConfigurationError: the columns of the DataFrame cannot be read.
    """
    if isinstance(data, Mapping):
        names: Sequence[str] = (FILE, TAGS)
        columns: list[list[Any]] = [list(data.keys()), list(data.values())]
    else:
        given = list(data.columns)
        names = column_names([str(name) for name in given])
        columns = []
        if len(set(names)) == len(names):  # otherwise, the header is refused
            columns = [_values(data, name) for name in given]
    cells = [[cell_of(value) for value in column] for column in columns]
    records = list(enumerate(zip(*cells, strict=True), start=1))
    return read_table(names, records, source, None)


def _values(frame: DataFrame, name: Any) -> list[Any]:
    """Return the values of a column.

    Raises:
        ConfigurationError: the object is another kind of table.
    """
    to_list = getattr(frame[name], "to_list", None) if isinstance(name, Hashable) else None
    if to_list is None:
        kind = f"{type(frame).__module__.split('.')[0]}.{type(frame).__name__}"
        raise ConfigurationError(
            f"the data are a {kind}, which freeloc cannot read: pass a DataFrame of pandas or polars"
        )
    values: list[Any] = to_list()
    return values


def cell_of(value: object) -> str:
    """Return a value as the text of a cell in a CSV file."""
    if isinstance(value, str):
        return value
    if is_null(value) or type(value).__name__ in _MISSING_TYPES:
        return ""
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    to_list = getattr(value, "tolist", None) or getattr(value, "to_list", None)  # arrays and their numbers
    if to_list is not None:
        return cell_of(to_list())
    if isinstance(value, Mapping):
        return repr(value)
    if isinstance(value, Collection | Iterator) and not isinstance(value, bytes):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
        return json.dumps(
            [item if isinstance(item, str | int | float | None) else [repr(item)] for item in items]
        )
    if callable(value) or type(value).__repr__ is object.__repr__:  # no value, which must not become a tag
        return json.dumps([[repr(value)]])
    return str(value)

"""Read Parquet tag lists, such as the ``metadata.parquet`` of Hugging Face's image folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from freeloc._class_names import quote_names
from freeloc._log import get_logger
from freeloc.datasets.tags.columns import TAGS, is_label_name
from freeloc.datasets.tags.csv_records import column_names
from freeloc.datasets.tags.in_memory import cell_of
from freeloc.datasets.tags.jsonl_list import read_objects
from freeloc.datasets.tags.rows import TagSource, TagTable
from freeloc.datasets.tags.table import read_table
from freeloc.errors import MalformedFileError, MissingDependencyError
from freeloc.io.text import read_bytes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_parquet"]

_log = get_logger(__name__)

_UNPACK: Final = "freeloc reads files, so save them as files, as docs/data.md shows, and list these"


def read_parquet(source: TagSource) -> TagTable:
    """Read a Parquet tag list, whose columns are the fields of a JSONL list, or one column per class as in CSV.

    Numbers in columns that Hugging Face's datasets call ``ClassLabel`` become the names of the classes. If no
    column is called like tags, the only one of these columns is read. The line number of a row is its place in the
    file, counted from 1.

    Args:
        source: the list.

    Returns:
        All rows, with their problems.

    Raises:
        MalformedFileError: the file is not Parquet, or no column contains file names.
        DatasetError: the file cannot be read, or −1 could mean absent or unknown.
        MissingDependencyError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise MissingDependencyError(
            f"reading {source.file} requires pyarrow, which is not installed: run pip install 'freeloc[parquet]'",
            extra="parquet",
        )
    table = _read(source)
    try:
        read = _read_rows(source, table)
    except MalformedFileError as error:
        if not table.images:
            raise
        reason = f"column {table.images[0]!r} contains the images themselves: {_UNPACK}"
        raise MalformedFileError(source.file, None, reason) from error
    if table.images:
        _log.warning(
            "%s: the images in column %r are not read, but the files that are listed",
            *(source.file, table.images[0]),
        )
    return read


def _read_rows(source: TagSource, table: _Table) -> TagTable:
    names = {column: found for column, each in table.features.items() if (found := _class_names(each))}
    labels = [column for column in table.columns if column in names]
    rows = [
        {column: _with_names(value, names.get(column)) for column, value in row.items()} for row in table.rows
    ]
    if table.has_tags or any(map(is_label_name, labels)) or not rows:
        return read_objects(source, list(enumerate(rows, start=1)))
    if len(labels) == 1:
        _log.warning("%s: the field %r is read as %r", source.file, labels[0], TAGS)
        renamed = [{TAGS if name in labels else name: value for name, value in row.items()} for row in rows]
        return read_objects(source, list(enumerate(renamed, start=1)))
    if labels:
        reason = f"the tags could be in {quote_names(labels, 'or')}: call the right column {TAGS!r}"
        raise MalformedFileError(source.file, None, reason)
    cells = [tuple(map(cell_of, row.values())) for row in rows]
    return read_table(column_names(table.columns), list(enumerate(cells, start=1)), source, None)


class _Table(NamedTuple):
    """The content of a file.

    Attributes:
        columns: names of the columns that could belong to a tag list; the rows have no others.
        rows: the rows.
        features: the features of Hugging Face, by column.
        images: names of the columns that contain images.
        has_tags: whether a column of texts, or of lists, is called like tags.
    """

    columns: list[str]
    rows: list[dict[str, Any]]
    features: Mapping[str, Any]
    images: list[str]
    has_tags: bool


def _read(source: TagSource) -> _Table:
    """Read a file.

    Raises:
        MalformedFileError: the file is not Parquet.
    """
    import pyarrow as pa
    from pyarrow import parquet

    content = pa.BufferReader(read_bytes(source.file))
    try:
        schema = parquet.read_schema(content)
        # Decoding other columns, such as arrays of features, could take much memory.
        columns = [field.name for field in schema if _is_readable(field.type)]
        content.seek(0)
        images = [field.name for field in schema if _contains_images(field.type)]
        has_tags = any(is_label_name(field.name) and _may_be_tags(field.type) for field in schema)
        rows = parquet.read_table(content, columns=columns).to_pylist()
        return _Table(columns, rows, _features(schema), images, has_tags or TAGS in columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise MalformedFileError(source.file, None, f"malformed Parquet: {reason}") from error


def _contains_images(kind: pa.DataType) -> bool:
    """Return whether a column contains the bytes of files, with or without their names."""
    from pyarrow import types

    if types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_readable(kind: pa.DataType) -> bool:
    """Return whether a column contains texts, numbers, truth values, or lists of these."""
    from pyarrow import types

    if types.is_dictionary(kind) or _is_list(kind):
        return _is_readable(kind.value_type)
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return bool(is_text or is_number or types.is_null(kind))


def _may_be_tags(kind: pa.DataType) -> bool:
    """Return whether a column contains texts or lists, rather than the labels of one class."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _may_be_tags(kind.value_type)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return _is_readable(kind) and not is_number


def _is_list(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    """Return the features that Hugging Face's datasets store in the file, by column."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _class_names(feature: object) -> tuple[str, ...]:
    """Return the names of a ``ClassLabel``, or of a list of them; an empty tuple for any other feature."""
    if isinstance(feature, list) and len(feature) == 1:
        return _class_names(feature[0])
    if not isinstance(feature, dict):
        return ()
    if feature.get("_type") != "ClassLabel":
        return _class_names(feature.get("feature"))
    names = feature.get("names")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _with_names(value: object, names: tuple[str, ...] | None) -> object:
    """Return the names of labels instead of their numbers; None for −1, the number of an unknown label."""
    if names is None or value in (None, -1):
        return value if names is None else None
    numbers = value if isinstance(value, list) else [value]
    return [
        names[number] if isinstance(number, int) and 0 <= number < len(names) else number
        for number in numbers
    ]

"""Read Parquet tag lists, such as the ``metadata.parquet`` of Hugging Face's image folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from freeloc.datasets.tags.jsonl_list import read_objects
from freeloc.datasets.tags.rows import TagSource, TagTable
from freeloc.errors import MalformedFileError, MissingDependencyError
from freeloc.io.text import read_bytes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_parquet"]


def read_parquet(source: TagSource) -> TagTable:
    """Read a Parquet tag list, whose columns are the fields of a JSONL list.

    Numbers in columns that Hugging Face's datasets call ``ClassLabel`` become the names of the classes. The line
    number of a row is its place in the file, counted from 1.

    Args:
        source: the list.

    Returns:
        All rows, with their problems.

    Raises:
        MalformedFileError: the file is not Parquet, or no column contains file names.
        DatasetError: the file cannot be read.
        MissingDependencyError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise MissingDependencyError(
            f"reading {source.file} requires pyarrow, which is not installed: run pip install 'freeloc[parquet]'",
            extra="parquet",
        )
    features, records, images = _read_records(source)
    names = {column: labels for column, each in features.items() if (labels := _class_names(each))}
    rows = (
        {column: _with_names(value, names.get(column)) for column, value in row.items()} for row in records
    )
    try:
        return read_objects(source, list(enumerate(rows, start=1)))
    except MalformedFileError as error:
        if not images:
            raise
        reason = f"column {images[0]!r} contains the images themselves: save them as files, and list these"
        raise MalformedFileError(source.file, None, reason) from error


def _read_records(source: TagSource) -> tuple[Mapping[str, Any], list[dict[str, Any]], list[str]]:
    """Return the features of Hugging Face, the rows, and the names of columns that contain images.

    The rows have only the columns that could belong to a tag list.

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
        return _features(schema), parquet.read_table(content, columns=columns).to_pylist(), images
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
    """Return whether a column contains texts, numbers, or lists of these."""
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _is_readable(kind.value_type)
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return bool(is_text or types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind))


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

"""Read Label Studio's CSV and JSON_MIN exports, which contain one row per annotation.

A row has a field for each field of the task's data and for each control of the labeling interface, without saying
which is which. A control of choices contains a bare choice, an object with a list of choices, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from freeloc._class_names import quote_names
from freeloc._log import get_logger
from freeloc.datasets.json_records import read_items
from freeloc.datasets.label_studio.addresses import is_address
from freeloc.datasets.label_studio.tasks import Annotation, Task, read_region, read_taxonomy, tags_of
from freeloc.datasets.tags.csv_list import read_rows
from freeloc.datasets.tags.rows import RowProblem
from freeloc.errors import MalformedFileError
from freeloc.io.text import read_text

__all__ = ["is_table_header", "read_table_export"]

_log = get_logger(__name__)

_ROW_FIELDS: Final = frozenset(
    ("id", "annotation_id", "annotator", "created_at", "updated_at", "lead_time", "agreement")
)
"""The fields that every row has."""

_TAXONOMY: Final = "taxonomy"

_Row = dict[str, Any]


def is_table_header(names: Iterable[str]) -> bool:
    """Return whether the fields of a table are those of a CSV or JSON_MIN export."""
    return {"annotation_id", "annotator", "lead_time"} <= set(names)


def read_table_export(file: Path, *, boxes: bool, ancestors: bool) -> list[Task]:
    """Read the tasks of a CSV or JSON_MIN export.

    Args:
        file: the CSV or JSON file.
        boxes: whether to read the positions of regions.
        ancestors: whether every level of a taxonomy is a tag.

    Raises:
        MalformedFileError: the file is not CSV or a JSON list, or it is unclear which fields contain choices.
        DatasetError: the file cannot be read.
    """
    rows: list[tuple[int, _Row | str]] = []
    if file.suffix.lower() == ".json":

        def add(record: object, line: int) -> None:
            rows.append((line, record if isinstance(record, dict) else "the row is not an object"))

        read_items(file, read_text(file), add)
        line = 1
    else:
        line, _, cells = read_rows(file)
        rows += [(number, row if isinstance(row, str) else _decode(row)) for number, row in cells]
    fields = _find_fields([row for _, row in rows if isinstance(row, dict)], file, line)
    return _group(rows, fields, boxes=boxes, ancestors=ancestors)


@dataclass(frozen=True)
class _Fields:
    """The names of the fields that contain addresses of images, choices, choices in a taxonomy, and regions."""

    addresses: tuple[str, ...]
    choices: tuple[str, ...]
    taxonomies: tuple[str, ...]
    regions: tuple[str, ...]


def _decode(cells: Mapping[str, str]) -> _Row:
    """Return the cells of a row, with the values of those that contain JSON."""
    row: _Row = {}
    for name, cell in cells.items():
        row[name] = cell
        if cell.startswith(("{", "[")):
            try:
                row[name] = json.loads(cell)
            except (ValueError, RecursionError):
                continue
    return row


def _find_fields(rows: Sequence[_Row], file: Path, line: int) -> _Fields:
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in _ROW_FIELDS]
    values = {name: [row[name] for row in rows if row.get(name) not in (None, "")] for name in names}
    addresses = tuple(
        name for name in names if any(isinstance(each, str) and is_address(each) for each in values[name])
    )
    choices = tuple(name for name in names if any(map(_has_choices, values[name])))
    taxonomies = tuple(name for name in names if any(map(_has_taxonomy, values[name])))
    regions = tuple(name for name in names if any(map(_has_regions, values[name])))
    bare = [
        name
        for name in names
        if name not in (*addresses, *choices, *taxonomies, *regions)
        and any(isinstance(each, str) for each in values[name])
        and not any(isinstance(each, dict) and "text" in each for each in values[name])  # several texts
        and _may_be_control(name, rows)
    ]
    if bare and (choices or taxonomies):
        _log.warning(
            "%s: left out, because it is not certain that they contain choices: %s; the export as JSON is certain",
            *(file, quote_names(bare)),
        )
    elif len(bare) == 1:
        choices = tuple(bare)
        _log.warning(
            "%s: the choices are read from %r; the export as JSON says where they are", file, bare[0]
        )
    elif bare and not regions:
        quoted = quote_names(bare, "or")
        reason = f"the choices could be in {quoted}: export the project as JSON, which says where they are"
        raise MalformedFileError(file, line, reason)
    return _Fields(addresses, choices, taxonomies, regions)


def _has_choices(value: object) -> bool:
    if isinstance(value, dict):
        return "choices" in value
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _has_taxonomy(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) and _TAXONOMY in each for each in value)


def _has_regions(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) and _kind_of(each) for each in value)


def _kind_of(region: Mapping[str, Any]) -> str:
    """Return the key of a region's labels, such as "rectanglelabels"; an empty string if it has none."""
    return next((key for key in region if key.endswith("labels")), "")


def _may_be_control(name: str, rows: Sequence[_Row]) -> bool:
    """Return whether a field may be a control: JSON_MIN writes these after the task's id, and CSV sorts all."""
    for row in rows:
        names = list(row)
        if name in row and "id" in row and names != sorted(names):
            return names.index(name) > names.index("id")
    return True


def _group(
    rows: Sequence[tuple[int, _Row | str]], fields: _Fields, *, boxes: bool, ancestors: bool
) -> list[Task]:
    """Return one task per image, with the annotations of all its rows."""
    tasks: dict[object, Task] = {}
    for number, (line, row) in enumerate(rows):
        if isinstance(row, str):
            tasks[number] = Task(line, {}, problems=[RowProblem("malformed_row", row)])
            continue
        found = {name: each for name in fields.addresses if isinstance(each := row.get(name), str) and each}
        key = tuple(found.items()) or number
        task = tasks.setdefault(key, Task(line, found))
        task.annotations.append(_read_row(row, fields, boxes=boxes, ancestors=ancestors))
    return list(tasks.values())


def _read_row(row: _Row, fields: _Fields, *, boxes: bool, ancestors: bool) -> Annotation:
    annotation = Annotation(
        annotator=str(row.get("annotator")), updated=str(row.get("updated_at") or row.get("created_at") or "")
    )
    for name in fields.choices:
        value = row.get(name)
        if isinstance(value, dict) and "choices" in value:
            value = value["choices"]
        if isinstance(value, str) and value.startswith('{"'):
            message = f"{name} is {value!r}, which is damaged JSON: export the project again"
            annotation.problems.append(RowProblem("bad_value", message))
        elif value != "":
            annotation.tags += tags_of(value, name, annotation.problems)
    for name in fields.taxonomies:
        for each in row.get(name) or ():
            path = each.get(_TAXONOMY) if isinstance(each, dict) else each
            read_taxonomy(path, annotation, ancestors=ancestors)
    for name in fields.regions:
        regions = row.get(name) or []
        if not isinstance(regions, list) or not all(isinstance(each, dict) for each in regions):
            message = f"{name} is {regions!r}, not a list of regions"
            annotation.problems.append(RowProblem("bad_value", message))
            continue
        for region in regions:
            kind = _kind_of(region)
            names = tags_of(region.get(kind), kind, annotation.problems)
            read_region(names, region, region, annotation, boxes=boxes)
    return annotation

"""Read Label Studio's JSON exports, which contain each task with all its annotations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from freeloc.datasets.json_records import read_items
from freeloc.datasets.json_values import parse_flag
from freeloc.datasets.label_studio.addresses import is_address
from freeloc.datasets.label_studio.tasks import Annotation, Task, read_region, read_taxonomy, tags_of
from freeloc.datasets.problems import ProblemKind
from freeloc.datasets.tags.rows import RowProblem
from freeloc.errors import MalformedFileError
from freeloc.io.text import read_text

__all__ = ["read_json_export"]


_AGAIN: Final = "export the project again as JSON"

_POSITIONS: Final = frozenset(("x", "points", "rle", "vertices"))
"""Keys of which the value of a region has one, and so have choices about the region."""


def read_json_export(file: Path, *, boxes: bool, ancestors: bool) -> list[Task]:
    """Read the tasks of a JSON export.

    Canceled annotations and predictions are left out, as are choices about a region instead of the image.

    Args:
        file: the JSON file.
        boxes: whether to read the positions of regions.
        ancestors: whether every level of a taxonomy is a tag.

    Raises:
        MalformedFileError: the file is not a JSON list, or was exported by Label Studio before version 1.0.
        DatasetError: the file cannot be read.
    """
    tasks: list[Task] = []

    def add(record: object, line: int) -> None:
        if isinstance(record, dict) and "completions" in record and "annotations" not in record:
            reason = (
                "the tasks have completions, which Label Studio wrote before version 1.0: import the file into a "
                "current version, and export it again as JSON"
            )
            raise MalformedFileError(file, line, reason)
        tasks.append(_read_task(record, line, boxes=boxes, ancestors=ancestors))

    read_items(file, read_text(file), add)
    return tasks


def _read_task(record: object, line: int, *, boxes: bool, ancestors: bool) -> Task:
    data = record.get("data") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(data, dict):
        problem = _problem("the task is not an object with data and annotations")
        return Task(line, {}, problems=[problem])
    addresses = {key: each for key, each in data.items() if isinstance(each, str) and is_address(each)}
    task = Task(line, addresses)
    annotations = record.get("annotations")
    if not isinstance(annotations, list):
        task.problems.append(_problem("the task has no list of annotations"))
        return task
    for each in annotations:
        result = each.get("result", "") if isinstance(each, dict) else None
        if not isinstance(each, dict) or not isinstance(result, list | None):
            task.problems.append(_problem("an annotation is not an object with a result"))
            continue
        flags = {key: parse_flag(each.get(key)) for key in ("was_cancelled", "ground_truth")}
        task.problems += (
            _problem(f"{key} is {each[key]!r}, not true or false", "bad_value")
            for key, flag in flags.items()
            if flag is None
        )
        if not flags["was_cancelled"]:
            task.annotations.append(_read_annotation(each, result or [], boxes=boxes, ancestors=ancestors))
    return task


def _problem(message: str, kind: ProblemKind = "malformed_row") -> RowProblem:
    return RowProblem(kind, f"{message}: {_AGAIN}")


def _read_annotation(
    record: Mapping[str, Any], result: list[Any], *, boxes: bool, ancestors: bool
) -> Annotation:
    annotator = record.get("completed_by")
    annotation = Annotation(
        annotator=str(annotator.get("id") if isinstance(annotator, dict) else annotator),
        updated=str(record.get("updated_at") or record.get("created_at") or ""),
        ground_truth=bool(record.get("ground_truth")),
    )
    for item in result:
        kind = item.get("type") if isinstance(item, dict) else None
        value = item.get("value") if isinstance(item, dict) else None
        if not isinstance(kind, str) or not isinstance(value, dict):
            if kind != "relation":  # relates two regions, and has no value
                problem = _problem("an item of a result is not an object with type and value")
                annotation.problems.append(problem)
        elif kind.endswith("labels"):
            names = tags_of(value.get(kind), kind, annotation.problems)
            read_region(names, value, item, annotation, boxes=boxes)
        elif kind in ("choices", "taxonomy") and _POSITIONS.isdisjoint(value):
            if kind not in value:
                annotation.problems.append(_problem(f"an item of type {kind} contains no {kind}"))
            elif kind == "choices":
                annotation.tags += tags_of(value[kind], kind, annotation.problems)
            else:
                read_taxonomy(value[kind], annotation, ancestors=ancestors)
    return annotation

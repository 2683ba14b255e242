"""Read Label Studio's JSON exports, which contain each task with all its annotations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freeloc.datasets.json_records import read_items
from freeloc.datasets.label_studio.addresses import is_address
from freeloc.datasets.label_studio.tasks import Annotation, Task, read_region, tags_of
from freeloc.datasets.tags.rows import RowProblem
from freeloc.errors import MalformedFileError
from freeloc.io.text import read_text

__all__ = ["read_json_export"]


def read_json_export(file: Path, *, boxes: bool) -> list[Task]:
    """Read the tasks of a JSON export.

    Canceled annotations and predictions are left out, as are choices about a region instead of the image.

    Args:
        file: the JSON file.
        boxes: whether to read the positions of regions.

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
        tasks.append(_read_task(record, line, boxes=boxes))

    read_items(file, read_text(file), add)
    return tasks


def _read_task(record: object, line: int, *, boxes: bool) -> Task:
    data = record.get("data") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(data, dict):
        problem = RowProblem("malformed_row", "the task is not an object with data and annotations")
        return Task(line, {}, problems=[problem])
    addresses = {key: each for key, each in data.items() if isinstance(each, str) and is_address(each)}
    task = Task(line, addresses)
    annotations = record.get("annotations")
    if not isinstance(annotations, list):
        task.problems.append(
            RowProblem("malformed_row", "the task has no list of annotations: export the project as JSON")
        )
        return task
    for each in annotations:
        result = each.get("result") if isinstance(each, dict) else None
        if not isinstance(each, dict) or not isinstance(result, list | None):
            task.problems.append(RowProblem("malformed_row", "an annotation is not an object with a result"))
        elif not each.get("was_cancelled"):
            task.annotations.append(_read_annotation(each, result or [], boxes=boxes))
    return task


def _read_annotation(record: Mapping[str, Any], result: list[Any], *, boxes: bool) -> Annotation:
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
                problem = RowProblem(
                    "malformed_row", "an item of a result is not an object with type and value"
                )
                annotation.problems.append(problem)
        elif kind == "choices" and "x" not in value and "points" not in value:
            annotation.tags += tags_of(value.get(kind), kind, annotation.problems)
        elif kind.endswith("labels"):
            names = tags_of(value.get(kind), kind, annotation.problems)
            read_region(names, value, item, annotation, boxes=boxes)
    return annotation

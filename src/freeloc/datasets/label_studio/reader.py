"""The dataset format for exports of Label Studio: JSON, JSON_MIN and CSV.

A class is present in an image if most annotators chose it or labeled a region with it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from freeloc._class_names import quote_names
from freeloc._log import get_logger
from freeloc.datasets.annotated_images import AnnotatedImage, build_dataset
from freeloc.datasets.builder import DatasetBuilder
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.file_outline import outline_json, read_beginning
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.label_studio.addresses import ImageAddresses
from freeloc.datasets.label_studio.json_export import read_json_export
from freeloc.datasets.label_studio.table_export import is_table_header, read_table_export
from freeloc.datasets.label_studio.tasks import Task
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.tags.csv_list import read_header
from freeloc.datasets.tags.rows import RowProblem
from freeloc.errors import MalformedFileError
from freeloc.io.progress import pluralize

__all__ = ["LabelStudioFormat"]

_log = get_logger(__name__)

_USUAL_FIELD = "image"


class LabelStudioFormat(DatasetFormat):
    """Dataset format for exports of Label Studio.

    The classes are all choices and labels of the export, sorted; that of a choice in a taxonomy is its last level.
    Images are looked up in the folder given by the option ``images`` and, without it, in the folder of the export.
    """

    layout = "Label Studio: a file *.json or *.csv that was exported as JSON, JSON_MIN or CSV"
    reads_ancestors = True

    def detect(self, path: Path) -> bool:
        """Return whether a path is a file with the fields of an export."""
        return path.is_file() and _kind_of(path) is not None

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read one export."""
        builder = DatasetBuilder(path, options)
        read = read_table_export if _kind_of(path) == "table" else read_json_export
        try:
            tasks = read(path, boxes=options.boxes, ancestors=options.checks.ancestors)
            field = _choose_field(tasks, path)
        except MalformedFileError as error:
            builder.fail("malformed_file", error.file, error.line, error.reason)
        unlabeled = sum(not (task.annotations or task.problems) for task in tasks)
        if unlabeled:
            _log.warning(
                "%s: the labels of %s without annotation are unknown", path, pluralize(unlabeled, "image")
            )
        addresses = ImageAddresses(options.images or path.parent)
        chosen = {name for task in tasks for annotation in task.annotations for name in annotation.names}
        images = [_image_of(task, field, path, addresses, chosen) for task in tasks]
        return build_dataset(path.stem, images, sorted(chosen), builder)


def _kind_of(path: Path) -> str | None:
    """Return "table" for CSV and JSON_MIN, "tasks" for JSON, and None for files of other formats."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return "table" if is_table_header(read_header(path)) else None
    outline = outline_json(read_beginning(path) if suffix == ".json" else "")
    if outline.kind != "list":
        return None
    if is_table_header(outline.keys):
        return "table"
    if "completions" in outline.keys:
        return "tasks"
    # The annotations of the first task may be longer than the beginning, so its data may not be seen.
    is_task = "annotations" in outline.keys and not outline.keys.isdisjoint(("data", "predictions", "id"))
    return "tasks" if is_task and "image" not in outline.keys else None


def _choose_field(tasks: Sequence[Task], path: Path) -> str:
    """Return the field of the data that contains the image.

    Raises:
        MalformedFileError: there is no such field, or more than one.
    """
    if not tasks:
        raise MalformedFileError(
            path, None, "there are no tasks: export a project in which images are annotated"
        )
    fields = sorted({field for task in tasks for field in task.addresses})
    if len(fields) == 1 or _USUAL_FIELD in fields:
        return _USUAL_FIELD if _USUAL_FIELD in fields else fields[0]
    if not fields:
        raise MalformedFileError(
            path, None, "no task has the address of an image: export a project of images"
        )
    raise MalformedFileError(
        path,
        None,
        f"the images could be in {quote_names(fields, 'or')}: call the right field {_USUAL_FIELD!r}",
    )


def _image_of(
    task: Task, field: str, path: Path, addresses: ImageAddresses, chosen: Collection[str]
) -> AnnotatedImage:
    deciding = task.deciding()  # problems of other annotations have no effect
    problems = [*task.problems, *(each for annotation in deciding for each in annotation.problems)]
    address = task.addresses.get(field)
    if address is None:
        problems = problems or [RowProblem("bad_value", f"the task has no image in the field {field!r}")]
        return AnnotatedImage(path, task.line, None, problems=tuple(problems))
    image = addresses.find(address)
    if image is None:
        problems.append(RowProblem("missing_image", addresses.missing(address)))
        image = addresses.expected(address)
    present, divided = task.labels()
    # An image with Animals/Dog is not without Animals, which others have as their choice.
    above = {name for annotation in deciding for name in annotation.above if name in chosen}
    latest = deciding[-1] if deciding else None
    return AnnotatedImage(
        path,
        task.line,
        image,
        tags=present,
        absent=None if task.annotations else (),
        unknown=(*divided, *sorted(above.difference(present, divided))),
        objects=() if latest is None else tuple(item for item in latest.objects if item.name in present),
        size=None if latest is None else latest.size,
        problems=tuple(problems),
    )

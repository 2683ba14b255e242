"""The dataset format for Roboflow's multi-label CSV: ``_classes.csv`` with a column of 0 and 1 for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from freeloc._log import get_logger
from freeloc.datasets.annotated_images import AnnotatedImage, build_dataset
from freeloc.datasets.builder import DatasetBuilder
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.images_folder import find_image
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.tags.class_folders import subfolders
from freeloc.datasets.tags.columns import Cells, parse_value
from freeloc.datasets.tags.csv_list import read_header, read_rows
from freeloc.datasets.tags.rows import RowProblem
from freeloc.errors import DatasetError, MalformedFileError

__all__ = ["RoboflowFormat"]

_log = get_logger(__name__)

_NAME: Final = "_classes.csv"
_FILE: Final = "filename"
_LABELS: Final = (0, 1)


class RoboflowFormat(DatasetFormat):
    """Dataset format for Roboflow's multi-label CSV.

    The classes are the columns, in their order. Each subfolder with a list, such as ``train``, is a split.
    """

    layout = f"Roboflow multi-label: a folder with {_NAME}, directly or in subfolders train, valid and test"

    def detect(self, path: Path) -> bool:
        """Return whether a path is a list of Roboflow, or a folder with such lists."""
        return any(_FILE in read_header(file) for file in _find_lists(path))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the list, or those of all splits."""
        files = _find_lists(path)
        if not files:
            raise DatasetError(f"{path} has no {_NAME}; expected {self.layout}", path=path)
        builder = DatasetBuilder(path, options)
        images: list[AnnotatedImage] = []
        columns: dict[Path, Sequence[str]] = {}
        for file in files:
            try:
                columns[file], rows = _read_list(file)
            except MalformedFileError as error:
                builder.add_fatal_problem("malformed_file", error.file, error.line, error.reason)
                continue
            if not rows:
                _log.warning("%s lists no images", file)
            split = file.parent.name if file.parent != path and file != path else None
            images += (_image_of(cells, file, line, split, options) for line, cells in rows)
        known = tuple(dict.fromkeys(name for names in columns.values() for name in names))
        folder = path.parent if path.is_file() else path
        return build_dataset(folder.resolve().name, images, known, builder)


def _find_lists(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.name == _NAME else []
    return [file for folder in (path, *subfolders(path)) if (file := folder / _NAME).is_file()]


def _read_list(file: Path) -> tuple[Sequence[str], list[tuple[int, Cells | str]]]:
    """Return the classes and the rows of a list.

    Raises:
        MalformedFileError: the list has no column of file names, or no class.
    """
    line, header, rows = read_rows(file)
    classes = [name for name in header if name != _FILE]
    if _FILE not in header or not classes or not all(classes):
        reason = (
            f"the header needs a column {_FILE!r} and a column with a name for each class: export it again"
        )
        raise MalformedFileError(file, line, reason)
    return classes, rows


def _image_of(
    cells: Cells | str, file: Path, line: int, split: str | None, options: OpenOptions
) -> AnnotatedImage:
    if isinstance(cells, str):
        return AnnotatedImage(file, line, None, split, problems=(RowProblem("malformed_row", cells),))
    name = cells[_FILE]
    if not name:
        return AnnotatedImage(
            file, line, None, split, problems=(RowProblem("bad_value", f"the row has no {_FILE}"),)
        )
    values = {each: parse_value(cell) for each, cell in cells.items() if each != _FILE}
    folders = (file.parent,)
    if options.images is not None:
        folders = (options.images, *((options.images / split,) if split else ()))
    return AnnotatedImage(
        file,
        line,
        find_image(folders, name),
        split,
        tags=tuple(each for each, value in values.items() if value == 1),
        absent=tuple(each for each, value in values.items() if value == 0),
        problems=tuple(
            RowProblem("bad_value", f"{each!r} is {cells[each]!r}, not 0 or 1")
            for each, value in values.items()
            if value not in _LABELS
        ),
    )

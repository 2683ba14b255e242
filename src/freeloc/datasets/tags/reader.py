"""The dataset format for tag lists.

A tag list is a CSV or JSONL file, a folder with such a file (as on the Hugging Face Hub), or a folder of class
folders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from freeloc.datasets.builder import DatasetBuilder, make_labels
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.tags.class_folders import has_images, read_class_folders, subfolders
from freeloc.datasets.tags.csv_list import read_csv
from freeloc.datasets.tags.jsonl_list import read_jsonl
from freeloc.datasets.tags.rows import SPLIT_FOLDERS, TagRow, TagSource, TagTable
from freeloc.errors import DatasetError, MalformedFileError

__all__ = ["TagListFormat"]

_JSON_SUFFIXES = (".jsonl", ".ndjson")
_SUFFIXES = (".csv", ".tsv", *_JSON_SUFFIXES)
_METADATA = ("metadata.csv", "metadata.jsonl")


class TagListFormat(DatasetFormat):
    """Dataset format for tag lists: a CSV or JSONL file, a folder with such a file, or one image folder per class.

    The classes are those chosen by the caller; by default, they are the class columns in their order, or else the
    sorted tags of the whole list. They do not depend on the split, so every split has the same classes in the same
    order. If the caller chooses a subset of the class columns, the others are left out.
    """

    layout = (
        "tag lists: a file *.csv, *.tsv, *.jsonl or *.ndjson, or a folder that contains metadata.csv, "
        "metadata.jsonl or one subfolder of images per class, either directly or in subfolders train, val and test"
    )

    def detect(self, path: Path) -> bool:
        """Return whether a path is a tag list file, or a folder with such a file in its usual place."""
        if path.is_file():
            return path.suffix.lower() in _SUFFIXES
        return any(_metadata(folder) for folder in (path, *_split_folders(path)))

    def guess(self, path: Path) -> bool:
        """Return whether a folder has subfolders with images, which VOC and COCO datasets may also have."""
        if not path.is_dir():
            return False
        parents = _split_folders(path) or [path]
        return any(has_images(folder) for parent in parents for folder in subfolders(parent))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the tag list, or all tag lists of a folder."""
        builder = DatasetBuilder(path, options)
        tables = _read_tables(path, builder)
        classes = options.classes or _class_list(tables)
        _check_columns(tables, classes, builder)
        labels = {name: label for label, name in enumerate(classes)}
        for row in _select_rows(tables, options.split, path, builder):
            _add_row(row, labels, builder)
        title = path.stem if path.is_file() else path.resolve().name
        name = f"{title} {options.split or ''}".strip()
        if all(table.columns is not None for table in tables):
            return builder.build(name, classes)
        # A tag that is not among the classes is a problem, so it is not enough to choose other classes.
        return builder.build(
            name, classes, how_to_drop="remove it from the tag list, and from the chosen classes"
        )


def _metadata(folder: Path) -> list[Path]:
    return [file for name in _METADATA if (file := folder / name).is_file()]


def _split_folders(path: Path) -> list[Path]:
    """Return the subfolders of a folder if they are all splits, or else an empty list."""
    folders = subfolders(path) if path.is_dir() else []
    return folders if all(folder.name in SPLIT_FOLDERS for folder in folders) else []


def _read_tables(path: Path, builder: DatasetBuilder) -> list[TagTable]:
    """Read every list at a path, and record a fatal problem for each list that cannot be parsed."""
    lists: list[tuple[Path, str | None]] = [(path, None)]
    if path.is_dir() and not _metadata(path):
        lists = [(folder, folder.name) for folder in _split_folders(path)] or lists
    tables = []
    for file_or_folder, split in lists:
        try:
            tables.append(_read_table(file_or_folder, split, builder.options))
        except MalformedFileError as error:
            builder.add_fatal_problem("malformed_file", error.file, error.line, error.reason)
    return tables


def _read_table(path: Path, split: str | None, options: OpenOptions) -> TagTable:
    files = [path] if path.is_file() else _metadata(path)
    if len(files) > 1:
        raise DatasetError(f"{path} has both {' and '.join(_METADATA)}: specify the file to read", path=path)
    if files:
        source = TagSource(files[0], options.images or files[0].parent, split, options.classes)
        return read_jsonl(source) if source.file.suffix.lower() in _JSON_SUFFIXES else read_csv(source)
    if options.images is not None:
        raise DatasetError(
            f"images is {options.images}, but {path} contains class folders: "
            "omit images, which applies only to lists of file names",
            path=path,
            parameter="images",
        )
    table = read_class_folders(path, split) if path.is_dir() else None
    if table is None or not table.rows:
        raise DatasetError(f"{path} is not a tag list; expected {TagListFormat.layout}", path=path)
    return table


def _class_list(tables: Iterable[TagTable]) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    names: set[str] = set()
    for table in tables:
        columns.update(dict.fromkeys(table.columns or ()))
        names.update(table.class_names, *(row.tags + row.unknown for row in table.rows))
    return (*columns, *sorted(names - columns.keys()))


def _check_columns(tables: Iterable[TagTable], classes: tuple[str, ...], builder: DatasetBuilder) -> None:
    """Report each class without a column, because its labels are unknown and must not count as absent."""
    for table in tables:
        if table.columns is None:
            continue
        for name in classes:
            if name not in table.columns:
                message = f"there is no column for class {name!r}"
                builder.add_fatal_problem("bad_value", table.file, table.line, message)


def _select_rows(
    tables: Iterable[TagTable], split: str | None, path: Path, builder: DatasetBuilder
) -> list[TagRow]:
    """Return the rows of a split, including rows that cannot be parsed, because they may belong to any split."""
    rows = [row for table in tables for row in table.rows]
    if split is None:
        return rows
    selected = [row for row in rows if row.split == split or (row.image is None and row.split is None)]
    if not selected and not builder.has_problems:
        counts = Counter(row.split for row in rows if row.split is not None)
        known = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        raise DatasetError(
            f"{path} has no images in the split {split!r}: it has {known or 'no splits'}",
            path=path,
            parameter="split",
        )
    return selected


def _add_row(row: TagRow, labels: Mapping[str, int], builder: DatasetBuilder) -> None:
    if row.image is None:
        message = "; ".join(problem.message for problem in row.problems)
        builder.add_bad_row(row.problems[0].kind, row.file, row.line, message)
        return
    is_unreadable = any(problem.kind == "unreadable_image" for problem in row.problems)
    sample = builder.add_image(row.image, row.file, row.line, check=not is_unreadable)
    for kind, message in row.problems:
        builder.add_problem(sample, kind, message)
    for name in dict.fromkeys(row.tags + row.unknown):
        if name not in labels:
            builder.add_problem(sample, "unknown_class", f"unknown class {name!r}")
    sample.labels = make_labels(
        len(labels),
        present=[labels[name] for name in row.tags if name in labels],
        ignored=[labels[name] for name in row.unknown if name in labels],
    )

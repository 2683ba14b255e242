"""The dataset format for tag lists.

A tag list is a CSV, JSONL or Parquet file, a folder with such a file (as on the Hugging Face Hub), or a folder of
class folders.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from freeloc._class_names import quote_names
from freeloc._log import get_logger
from freeloc.datasets.builder import DatasetBuilder, make_labels
from freeloc.datasets.data_source import TagsInMemory
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.formats import DatasetFormat, minus_one_error
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.split_rows import select_rows
from freeloc.datasets.tag_rules import TagRules
from freeloc.datasets.tags.class_folders import has_images, read_class_folders, subfolders
from freeloc.datasets.tags.csv_list import read_csv
from freeloc.datasets.tags.folder_layout import (
    FORMAT_OF_FOLDERS,
    JSON_SUFFIXES,
    LIST_SUFFIXES,
    METADATA,
    PARQUET_SUFFIX,
    FolderLayout,
    check_class_folders,
    split_folders,
)
from freeloc.datasets.tags.in_memory import read_in_memory
from freeloc.datasets.tags.jsonl_list import read_jsonl
from freeloc.datasets.tags.parquet_list import read_parquet
from freeloc.datasets.tags.repeated_rows import merge_repeated_rows
from freeloc.datasets.tags.rows import TagRow, TagSource, TagTable
from freeloc.errors import DatasetError, DatasetOptionError, MalformedFileError

__all__ = ["ClassFoldersFormat", "InMemoryFormat", "TagListFormat"]

_log = get_logger(__name__)


class TagListFormat(DatasetFormat):
    """Dataset format for tag lists: a CSV or JSONL file, a folder with such a file, or one image folder per class.

    The classes are those chosen by the caller; by default, they are the class columns in their order, or else the
    sorted tags of the whole list. They do not depend on the split, so every split has the same classes in the same
    order. If the caller chooses classes, all other tags are left out.
    """

    layout = (
        "tag lists: a file *.csv, *.tsv, *.jsonl, *.ndjson or *.parquet, or a folder that contains metadata.csv, "
        "metadata.jsonl, metadata.parquet or one subfolder of images per class, either directly or in subfolders "
        "train, val and test"
    )
    reads_minus_one = True

    def detect(self, path: Path) -> bool:
        """Return whether a path is a folder with a tag list in its usual place."""
        return path.is_dir() and any(_metadata(folder) for folder in (path, *split_folders(path)))

    def guess(self, path: Path) -> bool:
        """Return whether a path is a table of any kind, or a folder with a list or with subfolders of images."""
        if not path.is_dir():
            return path.suffix.lower() in LIST_SUFFIXES
        parents = [path, *split_folders(path)]
        return any(FolderLayout.read(parent).has_any for parent in parents)

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the tag list, or all tag lists of a folder."""
        builder = DatasetBuilder(path, options)
        return self._build_tables(path, _read_tables(path, builder), builder)

    @classmethod
    def _build_tables(cls, path: Path, tables: list[TagTable], builder: DatasetBuilder) -> Dataset:
        """Build the dataset from lists, after recording the problems of each list as a whole."""
        for table in tables:
            for problem in table.problems:
                builder.add_fatal_problem(problem.kind, table.file, table.line, problem.message)
        minus_one = builder.options.checks.minus_one
        if minus_one is not None and tables and all(table.columns is None for table in tables):
            raise minus_one_error(path)
        return cls._build(path, tables, builder)

    @staticmethod
    def _build(path: Path, tables: list[TagTable], builder: DatasetBuilder) -> Dataset:
        options = builder.options
        known = _class_list(tables)
        classes = builder.choose_classes(known)
        for table in tables:
            builder.leave_out(set(table.left_out).difference(classes), images=0)
        if options.classes is None:
            _check_columns(tables, classes, builder)
        else:
            tables = [_with_unknown_columns(table, classes, known, options.tags) for table in tables]
        labels = {name: label for label, name in enumerate(classes)}
        rows = (row for table in tables for row in table.rows)
        for row in select_rows(rows, options.split, path, builder):
            _add_row(row, labels, builder)
        title = path.stem if path.is_file() else path.resolve().name
        return builder.build(f"{title} {options.split or ''}".strip(), classes)


class InMemoryFormat(TagListFormat):
    """Format of tags in memory, which are read like a tag list.

    File names are relative to the working directory, unless the caller specifies a folder.

    Args:
        data: a dictionary or a DataFrame.
    """

    def __init__(self, data: TagsInMemory) -> None:
        self._data = data

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the tags; the path only stands for them in messages."""
        builder = DatasetBuilder(path, options)
        tables = []
        try:
            tables.append(
                merge_repeated_rows(read_in_memory(self._data, _source(_Place(path, None), options)))
            )
        except MalformedFileError as error:
            builder.add_fatal_problem("malformed_file", error.file, error.line, error.reason)
        return self._build_tables(path, tables, builder)


class ClassFoldersFormat(TagListFormat):
    """Dataset format for class folders: every subfolder is a class, whatever its name and whatever is next to it.

    A folder that contains nothing but split folders, which in turn contain the class folders, is read split
    by split.
    """

    layout = TagListFormat.layout
    reads_minus_one = False

    def detect(self, path: Path) -> bool:  # noqa: ARG002 - the same for all paths
        """Return False: this format is read only if it is chosen."""
        return False

    def guess(self, path: Path) -> bool:  # noqa: ARG002 - the same for all paths
        """Return False: this format is read only if it is chosen."""
        return False

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the class folders."""
        if not path.is_dir():
            raise DatasetError(f"{path} is not a folder; expected {self.layout}", path=path)
        splits = [folder for folder in split_folders(path) if any(map(has_images, subfolders(folder)))]
        if splits:
            _log_left_out(FolderLayout.read(path), splits)
        places = [_Place(folder, folder.name) for folder in splits] or [_Place(path, None)]
        tables = [_read_class_folders(place, tuple(subfolders(place.path)), options) for place in places]
        return self._build(path, tables, DatasetBuilder(path, options))


# --- lists -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A list to read, or a folder of class folders.

    Attributes:
        path: the file or folder.
        split: the split to which all images belong; None if the list or the folders say it.
    """

    path: Path
    split: str | None


def _read_tables(path: Path, builder: DatasetBuilder) -> list[TagTable]:
    """Read every list at a path, and record a fatal problem for each list that cannot be parsed."""
    tables = []
    for place in _find_places(path):
        try:
            tables.append(_read_table(place, builder.options))
        except MalformedFileError as error:
            builder.add_fatal_problem("malformed_file", error.file, error.line, error.reason)
    return tables


def _find_places(path: Path) -> list[_Place]:
    """Return the lists and folders to read; if several readings are possible, the log says which was taken.

    Raises:
        DatasetError: there are several lists.
    """
    if path.is_file():
        return [_Place(path, None)]
    layout = FolderLayout.read(path)
    splits = split_folders(path)
    if layout.metadata or (splits and not any(map(_metadata, splits)) and layout.lists):
        return [_Place(_only_list(layout), None)]
    if splits:
        if layout.lists:
            _log.warning("%s: %s is not read, because the splits have lists", path, layout.lists[0].name)
        _log_left_out(layout, splits)
        return [_place_of_split(folder) for folder in splits]
    return [_Place(_only_list(layout) if layout.lists else path, None)]


def _log_left_out(layout: FolderLayout, splits: list[Path]) -> None:
    untagged = [folder.name for folder in layout.splits if folder not in splits]
    if untagged:
        _log.warning("%s: left out without a list or class folders: %s", layout.path, ", ".join(untagged))


def _place_of_split(folder: Path) -> _Place:
    layout = FolderLayout.read(folder)
    return _Place(_only_list(layout) if layout.metadata or layout.lists else folder, folder.name)


def _only_list(layout: FolderLayout) -> Path:
    """Return the list of a folder that has at least one, and log which was taken if the choice is not obvious.

    Raises:
        DatasetError: there are several.
    """
    if len(layout.metadata) > 1:
        raise DatasetError(
            f"{layout.path} has {' and '.join(file.name for file in layout.metadata)}: specify the file to read",
            path=layout.path,
        )
    lists = layout.metadata or layout.lists
    if len(lists) > 1:
        names = ", ".join(file.name for file in lists)
        folders = ""
        if layout.classes or layout.splits:
            folders = f", or choose the format {FORMAT_OF_FOLDERS!r} to make a class of every folder"
        raise DatasetOptionError(
            f"{layout.path} has several tag lists ({names}): specify the file to read{folders}",
            path=layout.path,
            parameter="format" if folders else None,
        )
    if layout.metadata and layout.lists:
        names = ", ".join(file.name for file in layout.lists)
        _log.warning(
            "%s: %s is read, which has the usual name, and not %s", layout.path, lists[0].name, names
        )
    elif layout.lists and (layout.classes or layout.splits):
        _log.warning(
            "%s: tags are read from the list %s, and not from the names of folders (format %r does that)",
            *(layout.path, lists[0].name, FORMAT_OF_FOLDERS),
        )
    return lists[0]


def _metadata(folder: Path) -> list[Path]:
    return [file for name in METADATA if (file := folder / name).is_file()]


def _read_table(place: _Place, options: OpenOptions) -> TagTable:
    path = place.path
    if path.is_file():
        source = _source(place, options)
        suffix = path.suffix.lower()
        read = (
            read_parquet if suffix == PARQUET_SUFFIX else read_jsonl if suffix in JSON_SUFFIXES else read_csv
        )
        return merge_repeated_rows(read(source))
    names = [folder.name for folder in subfolders(path)]
    layout = FolderLayout.read(path, options.wanted_tags(names) or ())
    check_class_folders(layout)
    return _read_class_folders(place, layout.classes, options)


def _source(place: _Place, options: OpenOptions) -> TagSource:
    return TagSource(
        place.path,
        options.images or place.path.parent,
        place.split,
        options.classes,
        options.checks.minus_one,
        options.tags,
    )


def _read_class_folders(place: _Place, classes: tuple[Path, ...], options: OpenOptions) -> TagTable:
    path = place.path
    if options.images is not None:
        raise DatasetOptionError(
            f"images is {options.images}, but {path} contains class folders: "
            "omit images, which applies only to lists of file names",
            path=path,
            parameter="images",
        )
    table = read_class_folders(path, classes, place.split)
    if not table.rows:
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
        for name in _without_column(table.columns, classes, builder.options.tags):
            message = f"there is no column for class {name!r}"
            builder.add_fatal_problem("bad_value", table.file, table.line, message)


def _without_column(columns: Iterable[str], classes: Iterable[str], rules: TagRules) -> tuple[str, ...]:
    """Return the classes that have no column, neither under their own name nor under that of an alias."""
    keys = {"", *map(rules.key, columns)}
    return tuple(name for name in classes if rules.key(name) not in keys)


def _with_unknown_columns(
    table: TagTable, classes: tuple[str, ...], known: Collection[str], rules: TagRules
) -> TagTable:
    """Return a table in which the labels of classes that have no column are unknown, and log these classes."""
    missing = () if table.columns is None else _without_column(table.columns, classes, rules)
    if not missing:
        return table
    elsewhere = [name for name in missing if name in known]
    if elsewhere:
        _log.warning(
            "%s has no column for %s: their labels are unknown in this list",
            table.file,
            quote_names(elsewhere),
        )
    rows = tuple(replace(row, unknown=(*row.unknown, *missing)) for row in table.rows)
    return replace(table, rows=rows)


def _add_row(row: TagRow, labels: Mapping[str, int], builder: DatasetBuilder) -> None:
    if row.image is None:
        message = "; ".join(problem.message for problem in row.problems)
        builder.add_bad_row(row.problems[0].kind, row.file, row.line, message)
        return
    is_unreadable = any(problem.kind == "unreadable_image" for problem in row.problems)
    sample = builder.add_image(row.image, row.file, row.line, check=not is_unreadable)
    sample.split = row.split
    for kind, message, line, file in row.problems:
        builder.add_problem(sample, kind, message, file=file, line=line)
    builder.leave_out({name for name in row.tags + row.unknown if name not in labels})
    sample.labels = make_labels(
        len(labels),
        present=[labels[name] for name in row.tags if name in labels],
        ignored=[labels[name] for name in row.unknown if name in labels],
    )

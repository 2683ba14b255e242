"""Tag lists: a CSV or JSONL file, a folder with one (the Hugging Face habit), or a folder for each class."""

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
from freeloc.errors import FreelocError, MalformedFileError

__all__ = ["TagListFormat"]

_JSON_SUFFIXES = (".jsonl", ".ndjson")
_SUFFIXES = (".csv", ".tsv", *_JSON_SUFFIXES)
_METADATA = ("metadata.csv", "metadata.jsonl")


class TagListFormat(DatasetFormat):
    """Tag lists: a CSV or JSONL file, a folder with one, or one folder of images per class.

    The classes are those of the caller, or the class columns in their order, or the sorted tags of the whole list.
    They do not depend on the split, so every split has the same classes in the same order. If the caller chooses
    some of the class columns, the others are left out.
    """

    layout = (
        "tag lists: a file *.csv, *.tsv, *.jsonl or *.ndjson, or a folder with metadata.csv or metadata.jsonl or"
        " one subfolder of images per class, also inside subfolders train, val and test"
    )

    def detect(self, path: Path) -> bool:
        """Return whether ``path`` is a tag list in one file, or a folder with such a file in its usual place."""
        if path.is_file():
            return path.suffix.lower() in _SUFFIXES
        return any(_metadata(folder) for folder in (path, *_split_folders(path)))

    def guess(self, path: Path) -> bool:
        """Return whether ``path`` contains class folders with images; VOC and COCO have such folders, too."""
        if not path.is_dir():
            return False
        parents = _split_folders(path) or [path]
        return any(has_images(folder) for parent in parents for folder in subfolders(parent))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the tag list, or all tag lists of a folder."""
        draft = DatasetBuilder(path, options)
        tables = _read_tables(path, draft)
        classes = options.classes or _class_list(tables)
        _check_columns(tables, classes, draft)
        index = {name: number for number, name in enumerate(classes)}
        for row in _chosen(tables, options.split, path, draft):
            _take(row, index, draft)
        title = path.stem if path.is_file() else path.resolve().name
        name = f"{title} {options.split or ''}".strip()
        if all(table.columns is not None for table in tables):
            return draft.finish(name, classes)
        # A tag that is not among the classes is a problem, so choosing classes alone does not help.
        return draft.finish(
            name, classes, leave_out="take it out of the tag list, and out of --classes if it is there"
        )


def _metadata(folder: Path) -> list[Path]:
    return [file for name in _METADATA if (file := folder / name).is_file()]


def _split_folders(path: Path) -> list[Path]:
    """The sub-folders of a folder if they are splits, and nothing otherwise."""
    folders = subfolders(path) if path.is_dir() else []
    return folders if all(folder.name in SPLIT_FOLDERS for folder in folders) else []


def _read_tables(path: Path, draft: DatasetBuilder) -> list[TagTable]:
    """Read every list under ``path``; one that cannot be read is noted, and stops at the end."""
    places: list[tuple[Path, str | None]] = [(path, None)]
    if path.is_dir() and not _metadata(path):
        places = [(folder, folder.name) for folder in _split_folders(path)] or places
    tables = []
    for place, split in places:
        try:
            tables.append(_read_place(place, split, draft.options))
        except MalformedFileError as error:
            draft.trouble("malformed_file", error.file, error.line, error.reason)
    return tables


def _read_place(place: Path, split: str | None, options: OpenOptions) -> TagTable:
    files = [place] if place.is_file() else _metadata(place)
    if len(files) > 1:
        raise FreelocError(f"{place} has both {' and '.join(_METADATA)}: give the one to read")
    if files:
        source = TagSource(files[0], options.images or files[0].parent, split, options.classes)
        return read_jsonl(source) if source.file.suffix.lower() in _JSON_SUFFIXES else read_csv(source)
    if options.images is not None:
        raise FreelocError(
            f"--images goes with a list of file names, and {place} is a folder of class folders"
        )
    table = read_class_folders(place, split) if place.is_dir() else None
    if table is None or not table.rows:
        raise FreelocError(f"{place} is no tag list; looked for {TagListFormat.layout}")
    return table


def _class_list(tables: Iterable[TagTable]) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    others: set[str] = set()
    for table in tables:
        columns.update(dict.fromkeys(table.columns or ()))
        others.update(table.names, *(row.tags + row.unknown for row in table.rows))
    return (*columns, *sorted(others - columns.keys()))


def _check_columns(tables: Iterable[TagTable], classes: tuple[str, ...], draft: DatasetBuilder) -> None:
    """Without its column a class is unknown in every image, which must not count as absent."""
    for table in tables:
        if table.columns is None:
            continue
        for name in classes:
            if name not in table.columns:
                draft.trouble("bad_value", table.file, table.line, f"there is no column for class {name!r}")


def _chosen(tables: Iterable[TagTable], split: str | None, path: Path, draft: DatasetBuilder) -> list[TagRow]:
    """The rows of a split. A row that cannot be read may belong to any split, so it stays."""
    rows = [row for table in tables for row in table.rows]
    if split is None:
        return rows
    chosen = [row for row in rows if row.split == split or (row.image is None and row.split is None)]
    if not chosen and not draft.has_problems:
        found = Counter(row.split for row in rows if row.split is not None)
        known = ", ".join(f"{name} ({count})" for name, count in sorted(found.items())) or "no splits at all"
        raise FreelocError(f"{path} has no image of --split {split}: it has {known}")
    return chosen


def _take(row: TagRow, index: Mapping[str, int], draft: DatasetBuilder) -> None:
    if row.image is None:
        draft.lose(row.faults[0].kind, row.file, row.line, "; ".join(fault.message for fault in row.faults))
        return
    known_as_bad = any(fault.kind == "unreadable_image" for fault in row.faults)
    entry = draft.add(row.image, row.file, row.line, look=not known_as_bad)
    for kind, message in row.faults:
        draft.fault(entry, kind, message)
    for name in dict.fromkeys(row.tags + row.unknown):
        if name not in index:
            draft.fault(entry, "unknown_class", f"unknown class {name!r}")
    present = [index[name] for name in row.tags if name in index]
    entry.labels = make_labels(len(index), present, [index[name] for name in row.unknown if name in index])

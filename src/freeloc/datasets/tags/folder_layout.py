"""Find out what the files and subfolders of a folder of images are: lists, splits, classes, or neither."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from freeloc._log import get_logger
from freeloc.datasets.file_outline import read_beginning
from freeloc.datasets.tags.class_folders import (
    entries_of,
    has_images,
    is_folder,
    is_image_name,
    subfolders,
)
from freeloc.datasets.tags.csv_list import has_tag_columns, read_header
from freeloc.datasets.tags.jsonl_list import has_tag_fields
from freeloc.datasets.tags.rows import is_split_name
from freeloc.errors import DatasetError, DatasetOptionError
from freeloc.images.find import SUFFIXES
from freeloc.io.paths import is_file

__all__ = [
    "FORMAT_OF_FOLDERS",
    "JSON_SUFFIXES",
    "LIST_SUFFIXES",
    "METADATA",
    "PARQUET_SUFFIX",
    "FolderLayout",
    "check_class_folders",
    "split_folders",
]

_log = get_logger(__name__)

FORMAT_OF_FOLDERS = "folders"
"""Name of the format that makes a class of every subfolder."""

JSON_SUFFIXES = (".jsonl", ".ndjson")
PARQUET_SUFFIX = ".parquet"
LIST_SUFFIXES = (".csv", ".tsv", *JSON_SUFFIXES, PARQUET_SUFFIX)
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")

_TABLES = frozenset(
    (PARQUET_SUFFIX, ".feather", ".arrow", ".xlsx", ".xls", ".ods", ".pkl", ".pickle", ".sqlite", ".db")
)
"""Suffixes of tables and databases that may list images; freeloc reads Parquet alone, and only if it is chosen."""

_SHARDS = f"data/*{PARQUET_SUFFIX}"
"""Where Hugging Face's ``push_to_hub`` writes a dataset."""

_TEXTS = frozenset((*LIST_SUFFIXES, ".json", ".txt", ".xml", ".yaml", ".yml"))
"""Suffixes of text files that list images if they contain the names of images."""

_IN_NAME = r"[^\s\"'<>,;|:/\\]"
_IMAGE_NAME = re.compile(
    rf"(?<!{_IN_NAME}){_IN_NAME}+({'|'.join(map(re.escape, SUFFIXES))})(?![\w.])", re.IGNORECASE
)
"""The name of an image; only the start of a text is tried, because a text without blanks may be very long."""

_NAMES_TO_TRY = 10

_HELPER_NAMES = frozenset(
    (
        *(
            "image",
            "images",
            "img",
            "imgs",
            "picture",
            "pictures",
            "photo",
            "photos",
            "jpegimages",
            "rawimages",
        ),
        *(
            "mask",
            "masks",
            "segmentation",
            "segmentations",
            "segmentationclass",
            "segmentationobject",
            "segmasks",
        ),
        *("segmentationmasks", "gt", "groundtruth", "groundtruths", "gtmasks", "imagemasks", "maskimages"),
        *("label", "labels", "labeltxt", "annotation", "annotations", "annots", "annos", "anno", "imagesets"),
        *(
            "bbox",
            "bboxes",
            "boundingboxes",
            "xml",
            "xmls",
            "json",
            "jsons",
            "txt",
            "csv",
            "metadata",
            "meta",
        ),
        *("thumbnail", "thumbnails", "previews", "visualization", "visualizations", "overlays"),
        *("tmp", "temp", "cache", "unlabeled", "unlabelled", "depthmaps", "heatmaps"),
    )
)
"""Names of folders, without separators, that usually contain images or annotations of all classes."""


def is_helper_name(name: str) -> bool:
    """Return whether a folder name says what kind of file the folder contains, rather than what the images show.

    Example:
        >>> [is_helper_name(name) for name in ("images", "Ground_Truth", "dog")]
        [True, True, False]
    """
    return re.sub(r"[\s_\-.]+", "", name).casefold() in _HELPER_NAMES


@dataclass(frozen=True)
class FolderLayout:
    """The files and subfolders of a folder, without hidden and system files.

    Attributes:
        path: the folder.
        metadata: files with the usual name of a tag list.
        lists: other tag lists; without class folders, also those whose columns do not have the usual names.
        other_lists: files that seem to list images but are not tag lists.
        classes: subfolders with images, or without any file, whose names could be those of classes.
        splits: the same, whose names are usually those of splits.
        helpers: subfolders with images whose names are usually not those of classes.
        passed_over: subfolders that contain files but no images.
    """

    path: Path
    metadata: tuple[Path, ...]
    lists: tuple[Path, ...]
    other_lists: tuple[Path, ...]
    classes: tuple[Path, ...]
    splits: tuple[Path, ...]
    helpers: tuple[Path, ...]
    passed_over: tuple[Path, ...]

    @classmethod
    def read(cls, path: Path, chosen: Collection[str] = ()) -> FolderLayout:
        """Examine a folder; a subfolder with the name of a chosen class is a class."""
        folders = subfolders(path)
        classes: list[Path] = []
        splits: list[Path] = []
        helpers: list[Path] = []
        passed_over: list[Path] = []
        for folder in folders:
            special = is_split_name(folder.name) or is_helper_name(folder.name)
            if folder.name in chosen:
                classes.append(folder)
            elif not _may_have_images(folder) or (special and not entries_of(folder)):
                passed_over.append(folder)
            else:
                kind = splits if is_split_name(folder.name) else helpers if special else classes
                kind.append(folder)
        files = sorted(file for entry in entries_of(path) if _is_candidate(file := Path(entry.path)))
        metadata = [path / name for name in METADATA if (path / name).is_file()]
        others = [file for file in files if file not in metadata]
        lists = [file for file in others if _is_tag_list(file)]
        if not (metadata or lists or classes):
            # Next to class folders, a list without the usual names may be anything.
            lists = [file for file in others if _has_tags(file)]
        other_lists = [file for file in others if file not in lists and _lists_images(file, [path, *folders])]
        if not (metadata or lists or classes or helpers or other_lists):
            other_lists = sorted(file for file in path.glob(_SHARDS) if is_file(file))
        found = (metadata, lists, other_lists, classes, splits, helpers, passed_over)
        return cls(path, *map(tuple, found))

    @property
    def has_any(self) -> bool:
        """Whether the folder contains anything from which tags could come."""
        return bool(self.metadata or self.lists or self.other_lists or self.classes or self.helpers)


def split_folders(path: Path) -> list[Path]:
    """Return the subfolders of a folder if all that may contain images are splits, or else an empty list.

    Folders without images, such as ``annotations``, do not matter. A split folder without any list or class folder
    is left out if another split has them.
    """
    folders = subfolders(path)
    splits = [folder for folder in folders if is_split_name(folder.name)]
    if not splits or any(_may_have_images(folder) for folder in folders if folder not in splits):
        return []
    return [folder for folder in splits if FolderLayout.read(folder).has_any] or splits


def check_class_folders(layout: FolderLayout) -> None:
    """Refuse a folder whose subfolders may be anything else than classes, and log what is passed over.

    Raises:
        DatasetError: a list lies next to the folders, or a folder is probably not a class.
    """
    path = layout.path
    choice = f"or choose the format {FORMAT_OF_FOLDERS!r} to make a class of every folder"
    has_folders = layout.classes or layout.helpers or layout.splits
    beside = f", next to {_names(layout.classes)}" if layout.classes else ""
    if layout.other_lists:
        found = f"has {_names(layout.other_lists)}, {_advice(layout)}"
        if not has_folders:
            raise DatasetError(f"{path} {found}", path=path)
        raise _choice_error(path, f"{found}, {choice}")
    if layout.helpers:
        inner = next((folder for folder in layout.helpers if any(map(has_images, subfolders(folder)))), None)
        advice = "move what is not a class elsewhere" if inner is None else f"open {inner}"
        kind = _name_kind(layout.helpers, "no class")
        raise _choice_error(path, f"{kind}{beside}: {advice}, add a list metadata.csv, {choice}")
    if layout.splits:
        kind = _name_kind(layout.splits, "a split")
        advice = (
            "move one or the other elsewhere" if layout.classes else "add one folder per class in each split"
        )
        raise _choice_error(path, f"{kind}{beside}: {advice}, {choice}")
    if layout.passed_over:
        _log.warning("%s: left out as folders without images: %s", path, _names(layout.passed_over))
    loose = sum(is_image_name(entry.name) for entry in entries_of(path))
    if loose:
        _log.warning("%s: %d images outside the class folders are left out", path, loose)


def _name_kind(folders: Sequence[Path], kind: str) -> str:
    if len(folders) == 1:
        return f"has the folder {folders[0].name}, a name that usually denotes {kind}"
    return f"has the folders {_names(folders)}, names that usually denote {kind}"


def _choice_error(path: Path, text: str) -> DatasetError:
    return DatasetOptionError(f"{path} {text}", path=path, parameter="format")


def _advice(layout: FolderLayout) -> str:
    tools = [file for file in layout.other_lists if file.suffix.lower() in (".json", ".xml")]
    tables = [file for file in layout.other_lists if file.suffix.lower() in LIST_SUFFIXES]
    unreadable = [file for file in layout.other_lists if file not in (*tools, *tables)]
    parts = []
    if tools:
        parts.append(f"open {_names(tools, 'or')} itself if it is a file of COCO or of a label tool")
    if tables:
        parts.append(f"open {_names(tables, 'or')} itself if it contains the tags")
    if unreadable:
        parts.append("write its tags to metadata.csv with the columns file_name and tags")
    return f"which seems to list the images: {', '.join(parts)}"


def _names(paths: Iterable[Path], word: str = "and") -> str:
    *others, last = (path.name for path in paths)
    return f"{', '.join(others)} {word} {last}" if others else last


# --- files -------------------------------------------------------------------------------------------------


def _is_candidate(file: Path) -> bool:
    return file.suffix.lower() in (_TABLES | _TEXTS) and is_file(file)


def _is_tag_list(file: Path) -> bool:
    suffix = file.suffix.lower()
    if suffix in JSON_SUFFIXES:
        first = next((line for line in read_beginning(file).split("\n") if line.strip()), "")
        return '"file_name"' in first and '"tags"' in first
    return suffix in LIST_SUFFIXES and suffix not in _TABLES and "file_name" in read_header(file)


def _has_tags(file: Path) -> bool:
    """Return whether a file lists file names and tags under other names than the usual ones."""
    suffix = file.suffix.lower()
    if suffix in JSON_SUFFIXES:
        return has_tag_fields(read_beginning(file))
    return suffix in LIST_SUFFIXES and suffix not in _TABLES and has_tag_columns(file)


def _lists_images(file: Path, folders: Collection[Path]) -> bool:
    """Return whether a file that is not a tag list names images in any of the folders."""
    suffix = file.suffix.lower()
    if suffix in _TABLES:
        return True
    names = [match[0] for match in islice(_IMAGE_NAME.finditer(read_beginning(file)), _NAMES_TO_TRY)]
    if suffix in LIST_SUFFIXES or suffix == ".json":
        return bool(names)
    return any(is_file(folder / name) for name in names for folder in folders)


# --- folders -----------------------------------------------------------------------------------------------


def _may_have_images(folder: Path) -> bool:
    """Return whether a folder contains an image, a folder, or nothing at all."""
    empty = True
    for entry in entries_of(folder):
        if is_folder(entry) or is_image_name(entry.name):
            return True
        empty = False
    return empty

"""COCO instances files.

A class is present in an image if it has an object there that is no crowd, ignored if it has crowds only,
and absent otherwise. Boxes are read only when asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from freeloc.datasets.builder import DatasetBuilder, DatasetEntry, make_labels
from freeloc.datasets.coco.instances_file import CocoFile, CocoObject, Ident, read_coco_file
from freeloc.datasets.dataset import AnnotatedBox, Dataset
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.problems import DataProblems, Problem
from freeloc.errors import FreelocError, MalformedFileError
from freeloc.io.paths import existing_name, is_file

__all__ = ["CocoFormat", "CocoIds", "category_ids", "read_ids"]


class CocoFormat(DatasetFormat):
    """COCO instances files.

    The classes are all categories of the file in the order of their ids; `category_ids` returns the ids. Images
    are searched for in ``images``, or else in ``<split>/``, ``images/<split>/`` and ``images/`` of the COCO folder
    and next to the file. If the caller chooses some categories, objects of the others are left out.
    """

    layout = "COCO: a file *.json, or a folder with annotations/instances_*.json"

    def detect(self, path: Path) -> bool:
        """Return whether ``path`` is a JSON file or a folder with COCO instances files."""
        return path.suffix.lower() == ".json" if path.is_file() else bool(_instances(path))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read one instances file."""
        file = _instances_file(path, options.split)
        contents = _read(file, boxes=options.boxes)
        draft = DatasetBuilder(file, options)
        for line, message in contents.lost_images:
            draft.lose("bad_value", file, line, message)
        for line, message in contents.trouble:
            draft.trouble("bad_value", file, line, message)
        classes = options.classes or tuple(_ids_by_name(contents))
        _check_classes(classes, contents)
        entries = _take_entries(contents, draft)
        _note_strays(contents, entries, draft)
        categories = _Categories(contents, classes)
        for image, entry in entries.items():
            _use_objects(entry, contents.objects.get(image, ()), categories, draft)
        return draft.finish(f"COCO {_split_of(file)}", classes)


def category_ids(path: str | Path, split: str | None = None) -> Mapping[str, int]:
    """The category id of every class of a COCO file, in the order of the ids.

    Args:
        path: the JSON file, or a COCO folder.
        split: which instances file of the folder.

    Returns:
        A read-only mapping from class name to category id.

    Raises:
        DataProblems: the file is malformed.
        FreelocError: there is no such file.

    Example:
        ::

            ids = category_ids("coco", "val2017")
            ids["zebra"]  # 24
    """
    return read_ids(Path(path), split).categories


@dataclass(frozen=True)
class CocoIds:
    """The ids of a COCO file, which other files (such as a detector's results) refer to.

    Attributes:
        images: file name by image id, in the file's order; of a repeated id the first.
        categories: category id by class name, in the order of the ids.
    """

    images: Mapping[Ident, str]
    categories: Mapping[str, int]


def read_ids(path: Path, split: str | None = None) -> CocoIds:
    """The ids of images and categories; arguments and errors are those of `category_ids`."""
    contents = _read(_instances_file(path, split), boxes=False)
    images: dict[Ident, str] = {}
    for image in contents.images:
        images.setdefault(image.ident, image.file_name)
    return CocoIds(MappingProxyType(images), MappingProxyType(_ids_by_name(contents)))


class _Categories:
    """From category ids to names, and to labels for the chosen ones."""

    def __init__(self, contents: CocoFile, classes: tuple[str, ...]) -> None:
        chosen = {name: label for label, name in enumerate(classes)}
        self.names: dict[Ident, str] = dict(contents.categories.items())
        self.labels = {ident: chosen[name] for ident, name in self.names.items() if name in chosen}
        self.count = len(classes)


def _instances(root: Path) -> list[Path]:
    return sorted((root / "annotations").glob("instances_*.json"))


def _split_of(file: Path) -> str:
    return file.stem.removeprefix("instances_")


def _is_split(file: Path, split: str) -> bool:
    """Whether a file is that split; "val" also means ``instances_val2017.json``."""
    name = _split_of(file)
    return split in (name, name.rstrip("0123456789"))


def _instances_file(path: Path, split: str | None) -> Path:
    if path.is_file():
        if split is not None and not _is_split(path, split):
            raise FreelocError(f"{path} is one split: leave out --split {split}, or give the COCO folder")
        return path
    files = _instances(path)
    if not files:
        raise FreelocError(f"{path} is no COCO data set; looked for {CocoFormat.layout}")
    known = ", ".join(map(_split_of, files))
    if split is None:
        fitting = files
    else:
        fitting = [file for file in files if _split_of(file) == split] or [
            file for file in files if _is_split(file, split)
        ]
    if not fitting:
        raise FreelocError(f"{path} has no annotations/instances_{split}.json for --split: it has {known}")
    if len(fitting) > 1:
        raise FreelocError(f"{path} has several instances files: choose one of {known} with --split")
    return fitting[0]


def _read(file: Path, *, boxes: bool) -> CocoFile:
    try:
        return read_coco_file(file, boxes=boxes)
    except MalformedFileError as error:
        raise DataProblems(file, [Problem.of(error)], lasting=1) from error


def _ids_by_name(contents: CocoFile) -> dict[str, int]:
    return {name: ident for ident, name in sorted(contents.categories.items())}


def _check_classes(classes: Iterable[str], contents: CocoFile) -> None:
    # An absent category says nothing about its objects: their images must not count as without them.
    known = set(contents.categories.values())
    if strange := ", ".join(repr(name) for name in classes if name not in known):
        raise FreelocError(f"--classes has {strange}, which is no category of {contents.file}: leave it out")


def _take_entries(contents: CocoFile, draft: DatasetBuilder) -> dict[Ident, DatasetEntry]:
    """The images by their ids; a repeated id keeps its first row."""
    file = contents.file
    folder = draft.options.images or _images_folder(file, [image.file_name for image in contents.images])
    entries: dict[Ident, DatasetEntry] = {}
    for image in contents.images:
        path = folder / existing_name(folder, image.file_name)
        entry = draft.add(path, file, image.line, f"image {image.ident}: ")
        first = entries.setdefault(image.ident, entry)
        if first is not entry and first.path != entry.path:
            draft.fault(entry, "duplicate_row", f"this id is already that of {first.path.name}")
    return entries


def _images_folder(file: Path, names: list[str]) -> Path:
    """The first likely folder that holds any of the images, or else the first that is there."""
    root = file.parent.parent if file.parent.name == "annotations" else file.parent
    split = _split_of(file)
    likely = (root / split, root / "images" / split, root / "images", root, file.parent)
    folders = [folder for folder in likely if folder.is_dir()]
    return next(
        (
            folder
            for folder in folders
            if any(is_file(folder / existing_name(folder, name)) for name in names)
        ),
        folders[0],
    )


def _note_strays(contents: CocoFile, entries: Mapping[Ident, DatasetEntry], draft: DatasetBuilder) -> None:
    for image, objects in contents.objects.items():
        if image not in entries:
            for thing in objects:
                message = f"{thing.called} belongs to image {image!r}, which the file does not list"
                draft.trouble("bad_value", contents.file, thing.line, message)


def _use_objects(
    entry: DatasetEntry, objects: Iterable[CocoObject], categories: _Categories, draft: DatasetBuilder
) -> None:
    """Turn the annotations of one image into labels and boxes, and note what is wrong."""
    present: list[int] = []
    crowds: list[int] = []
    boxes: list[AnnotatedBox] = []
    for thing in objects:
        name = categories.names.get(thing.category)
        if name is None:
            message = f"{thing.called} has category_id {thing.category!r}, which is not among the categories"
            draft.fault(entry, "unknown_class", message, line=thing.line)
            continue
        if thing.fault:
            draft.fault(entry, "bad_value", f"{thing.called}: {thing.fault}", line=thing.line)
            continue
        label = categories.labels.get(thing.category)
        if label is None:
            continue
        (crowds if thing.crowd else present).append(label)
        if thing.corners is not None:
            box = AnnotatedBox(label, *thing.corners, crowd=thing.crowd)
            draft.check_box(entry, box, file=entry.file, line=thing.line, name=name)
            boxes.append(box)
    entry.labels = make_labels(categories.count, present, crowds)
    if draft.options.boxes:
        entry.boxes = tuple(boxes)

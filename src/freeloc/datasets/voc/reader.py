"""The Pascal VOC devkit of any year, and data sets laid out like it.

Labels come from tags alone: from the devkit's own class files (``ImageSets/Main/dog_train.txt`` with −1, 0
and 1) where every class has one, else from the names and difficult flags of the annotated objects. Boxes are
read only when asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from freeloc.datasets.builder import DatasetBuilder, DatasetEntry, make_labels
from freeloc.datasets.dataset import IGNORE, AnnotatedBox, Dataset
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.voc.annotation_xml import Annotation, read_annotation
from freeloc.errors import FreelocError, MalformedFileError
from freeloc.images.find import SUFFIXES
from freeloc.io.paths import is_file
from freeloc.io.text import read_text

__all__ = ["VOC_CLASSES", "VocFormat"]

_log = logging.getLogger(__name__)

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""The 20 classes of Pascal VOC, in the devkit's order."""

_CLASS_FILE_VALUES = {"1": 1, "+1": 1, "0": 0, "-1": -1}


class VocFormat(DatasetFormat):
    """Pascal VOC devkits of any year, and datasets with the same layout.

    The list is ``ImageSets/Main/<split>.txt``. Without a split, a devkit with one list opens that list, and a
    devkit without lists opens all images, sorted.

    The classes are `VOC_CLASSES` if no other name occurs in the devkit, and also if all twenty of them occur; any
    other name is then reported as a typo. Otherwise the classes are the sorted names of the whole ``Annotations``
    folder. They do not depend on the split, so every split has the same classes in the same order. If the
    caller chooses classes, objects of the other classes of the devkit and of VOC are left out; a typo is still
    reported.
    """

    layout = "VOC: folders JPEGImages with Annotations or ImageSets/Main, here or in one subfolder VOC20xx"

    def detect(self, path: Path) -> bool:
        """Return whether ``path`` is a devkit or contains some."""
        return bool(_devkits(path))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read one list of a devkit."""
        devkit = _only_devkit(path)
        split, list_file = _choose_list(devkit, options.split)
        draft = DatasetBuilder(list_file or devkit, options)
        entries = _take_entries(devkit, list_file, draft)
        class_files = _class_files(devkit, split, options.classes)
        annotations = {} if class_files and not options.boxes else _read_annotations(devkit, entries, draft)
        classes = options.classes or tuple(class_files) or _class_list(devkit, annotations.values())
        others = _left_out(devkit, split, classes, annotations.values()) if options.classes else ()
        for ident, annotation in annotations.items():
            _use_annotation(entries[ident], annotation, classes, others, draft)
        if class_files:
            _labels_from_class_files(entries, class_files, draft)
        return draft.finish(f"{devkit.resolve().name} {split}".strip(), classes)


def _is_devkit(folder: Path) -> bool:
    # JPEGImages is asked for too: where case does not count, COCO's `annotations` passes for Annotations.
    lists = (folder / "ImageSets" / "Main").is_dir()
    return lists or ((folder / "Annotations").is_dir() and (folder / "JPEGImages").is_dir())


def _devkits(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    if _is_devkit(path):
        return [path]
    parent = path / "VOCdevkit" if (path / "VOCdevkit").is_dir() else path
    return sorted(folder for folder in parent.glob("VOC*") if _is_devkit(folder))


def _only_devkit(path: Path) -> Path:
    found = _devkits(path)
    if not found:
        raise FreelocError(f"{path} is no VOC devkit; looked for {VocFormat.layout}")
    if len(found) > 1:
        names = ", ".join(str(folder) for folder in found)
        raise FreelocError(f"{path} holds several VOC devkits: give one of {names}")
    return found[0]


def _choose_list(devkit: Path, split: str | None) -> tuple[str, Path | None]:
    folder = devkit / "ImageSets" / "Main"
    files = sorted(folder.glob("*.txt"))
    lists = [file.stem for file in files if not _is_class_file(file)]
    if split is None:
        if not lists:
            return "", None
        if len(lists) > 1:
            raise FreelocError(f"{devkit} has several lists: choose one of {', '.join(lists)} with --split")
        split = lists[0]
    if split not in lists:
        known = f"it has {', '.join(lists)}" if lists else f"there are no lists in {folder}"
        raise FreelocError(f"{devkit} has no list {split!r} for --split: {known}")
    return split, folder / f"{split}.txt"


def _is_class_file(file: Path) -> bool:
    """Whether a file of ImageSets/Main is no list of a split but the −1, 0, 1 rows of one class."""
    if "_" not in file.stem:
        return False
    with file.open("rb") as text:
        return len(text.readline().split()) == 2


def _take_entries(devkit: Path, list_file: Path | None, draft: DatasetBuilder) -> dict[str, DatasetEntry]:
    """The listed images by their names without ending; a repeated name keeps its first row."""
    folder = draft.options.images or devkit / "JPEGImages"
    entries: dict[str, DatasetEntry] = {}
    if list_file is None:
        for file in sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES):
            entries.setdefault(file.stem, draft.add(file, file, None))
        return entries
    for line, words in _lines(list_file, draft):
        if len(words) == 1:
            entries.setdefault(words[0], draft.add(_image(folder, words[0]), list_file, line))
        else:
            draft.lose("malformed_row", list_file, line, f"{' '.join(words)!r} does not name one image")
    return entries


def _lines(file: Path, draft: DatasetBuilder) -> Iterator[tuple[int, list[str]]]:
    try:
        text = read_text(file)
    except MalformedFileError as error:
        draft.stop("malformed_file", file, error.line, error.reason)
    for line, content in enumerate(text.split("\n"), start=1):
        if words := content.split():
            yield line, words


def _image(folder: Path, ident: str) -> Path:
    usual = folder / f"{ident}.jpg"
    if is_file(usual):
        return usual
    others = (folder / f"{ident}{end}" for suffix in SUFFIXES for end in (suffix, suffix.upper()))
    return next(filter(is_file, others), usual)


def _read_annotations(
    devkit: Path, entries: Mapping[str, DatasetEntry], draft: DatasetBuilder
) -> dict[str, Annotation]:
    annotations = {}
    for ident, entry in entries.items():
        file = devkit / "Annotations" / f"{ident}.xml"
        if not is_file(file):
            draft.fault(entry, "missing_annotation", f"annotation {file} is missing")
            continue
        try:
            annotations[ident] = read_annotation(file, boxes=draft.options.boxes)
        except MalformedFileError as error:
            draft.fault(entry, "malformed_file", error.reason, file=file, line=error.line)
    return annotations


def _class_list(devkit: Path, read: Iterable[Annotation]) -> tuple[str, ...]:
    voc = set(VOC_CLASSES)
    names = {thing.name for annotation in read for thing in annotation.objects}
    if not voc <= names:
        names |= set(_all_names(devkit))
    return VOC_CLASSES if voc <= names or names <= voc else tuple(sorted(names))


def _left_out(
    devkit: Path, split: str, classes: tuple[str, ...], read: Collection[Annotation]
) -> Collection[str]:
    """The classes that a caller who chose ``classes`` leaves out: those the devkit has by itself, and VOC's.

    Where a devkit has classes of its own, every name in it is one, so a slip of the pen cannot be told from a
    class that is left out; the log names them.
    """
    names = {thing.name for annotation in read for thing in annotation.objects}
    strange = names.difference(classes, VOC_CLASSES)
    if not strange:
        # The usual case, in which the whole folder of annotations need not be read.
        return VOC_CLASSES
    own = {*(tuple(_class_files(devkit, split, None)) or _class_list(devkit, read))}
    own |= _class_file_names(devkit, split)
    if left_out := sorted(strange.intersection(own)):
        _log.warning("objects of %s are left out of %s", ", ".join(map(repr, left_out)), devkit)
    return own.union(VOC_CLASSES)


def _all_names(devkit: Path) -> Iterator[str]:
    for file in (devkit / "Annotations").glob("*.xml"):
        try:
            annotation = read_annotation(file)
        except MalformedFileError:
            # Reported where it belongs to the split; elsewhere it is none of this split's business.
            continue
        yield from (thing.name for thing in annotation.objects)


def _use_annotation(
    entry: DatasetEntry,
    annotation: Annotation,
    classes: tuple[str, ...],
    others: Collection[str],
    draft: DatasetBuilder,
) -> None:
    """Turn the objects of one image into labels and boxes, and note what is wrong.

    Objects of ``others`` are left out; a name that is neither there nor among the classes is a problem.
    """
    file = annotation.file
    for kind, line, message in annotation.faults:
        draft.fault(entry, kind, message, file=file, line=line)
    present: list[int] = []
    difficult: list[int] = []
    boxes: list[AnnotatedBox] = []
    for thing in annotation.objects:
        if thing.name not in classes:
            if thing.name not in others:
                draft.fault(
                    entry, "unknown_class", f"unknown class {thing.name!r}", file=file, line=thing.line
                )
            continue
        label = classes.index(thing.name)
        (difficult if thing.difficult else present).append(label)
        if thing.corners is not None:
            box = AnnotatedBox(label, *thing.corners, difficult=thing.difficult)
            draft.check_box(entry, box, file=file, line=thing.line, name=thing.name)
            boxes.append(box)
    entry.labels = make_labels(len(classes), present, difficult)
    if draft.options.boxes:
        entry.boxes = tuple(boxes)


def _class_files(devkit: Path, split: str, classes: tuple[str, ...] | None) -> dict[str, Path]:
    """The class files of a split, one for every class; empty if some class has none."""
    folder = devkit / "ImageSets" / "Main"
    if not split:
        return {}
    if classes is None:
        stems = _class_file_names(devkit, split)
        own = () if (devkit / "Annotations").is_dir() else tuple(sorted(stems))
        classes = VOC_CLASSES if stems >= set(VOC_CLASSES) else own
    found = {name: folder / f"{name}_{split}.txt" for name in classes}
    return found if all(map(is_file, found.values())) else {}


def _class_file_names(devkit: Path, split: str) -> set[str]:
    files = (file for file in (devkit / "ImageSets" / "Main").glob(f"*_{split}.txt") if _is_class_file(file))
    return {file.stem.removesuffix(f"_{split}") for file in files}


def _labels_from_class_files(
    entries: Mapping[str, DatasetEntry], files: Mapping[str, Path], draft: DatasetBuilder
) -> None:
    columns = [_class_column(file, entries, draft) for file in files.values()]
    for ident, entry in entries.items():
        entry.labels = np.array([column.get(ident, IGNORE) for column in columns], np.int8)


def _class_column(file: Path, entries: Mapping[str, DatasetEntry], draft: DatasetBuilder) -> dict[str, int]:
    """The labels of one class by image; rows of images outside the split are passed over."""
    column: dict[str, int] = {}
    lines: dict[str, int] = {}
    for line, (ident, *values) in _lines(file, draft):
        if ident not in entries:
            continue
        if ident in lines:
            message = f"{ident} is already listed on line {lines[ident]}"
            draft.fault(entries[ident], "duplicate_row", message, file=file, line=line)
            continue
        lines[ident] = line
        if len(values) == 1 and values[0] in _CLASS_FILE_VALUES:
            column[ident] = _CLASS_FILE_VALUES[values[0]]
        else:
            message = f"{' '.join(values)!r} after {ident} is not -1, 0 or 1"
            draft.fault(entries[ident], "bad_value", message, file=file, line=line)
    for ident, entry in entries.items():
        if ident not in lines:
            draft.fault(entry, "missing_annotation", f"no row for {ident}", file=file)
    return column

"""The dataset format for Pascal VOC devkits of any year and for datasets with the same layout.

Labels come from tags alone. If every class has a class file in the devkit (such as
``ImageSets/Main/dog_train.txt``, which contains −1, 0 and 1), the labels come from these files; otherwise, they
come from the names and difficult flags of the annotated objects. Boxes are read only on request.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from freeloc.datasets.builder import DatasetBuilder, SampleDraft, make_labels
from freeloc.datasets.dataset import IGNORE, AnnotatedBox, Dataset
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.voc.annotation_xml import Annotation, read_annotation
from freeloc.errors import DatasetError, MalformedFileError
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
    """Dataset format for Pascal VOC devkits of any year and for datasets with the same layout.

    The list is ``ImageSets/Main/<split>.txt``. If no split is given, a devkit's only list is read; for a devkit
    without lists, all images are read in sorted order.

    The classes are `VOC_CLASSES` if no other name occurs in the devkit, or if all twenty of them occur; in the
    latter case, any other name is reported as a typo. Otherwise, the classes are the sorted names in the whole
    ``Annotations`` folder. The classes do not depend on the split, so every split has the same classes in the
    same order. If the caller chooses classes, objects of other classes of the devkit or of VOC are left out, but
    typos are still reported.
    """

    layout = (
        "VOC: folder JPEGImages next to Annotations or ImageSets/Main, directly or in one subfolder VOC20xx"
    )

    def detect(self, path: Path) -> bool:
        """Return whether a folder is a devkit or contains devkits."""
        return bool(_find_devkits(path))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read one list of a devkit."""
        devkit = _find_only_devkit(path)
        split, list_file = _choose_list(devkit, options.split)
        builder = DatasetBuilder(list_file or devkit, options)
        samples = _add_images(devkit, list_file, builder)
        class_files = _class_files(devkit, split, options.classes)
        annotations = {} if class_files and not options.boxes else _read_annotations(devkit, samples, builder)
        classes = options.classes or tuple(class_files) or _class_list(devkit, annotations.values())
        others = _other_classes(devkit, split, classes, annotations.values()) if options.classes else ()
        for image_id, annotation in annotations.items():
            _apply_annotation(samples[image_id], annotation, classes, others, builder)
        if class_files:
            _read_class_files(samples, class_files, builder)
        return builder.build(f"{devkit.resolve().name} {split}".strip(), classes)


# --- folders and lists -------------------------------------------------------------------------------------


def _is_devkit(folder: Path) -> bool:
    # JPEGImages is required too: on a case-insensitive file system, COCO's "annotations" matches "Annotations".
    lists = (folder / "ImageSets" / "Main").is_dir()
    return lists or ((folder / "Annotations").is_dir() and (folder / "JPEGImages").is_dir())


def _find_devkits(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    if _is_devkit(path):
        return [path]
    parent = path / "VOCdevkit" if (path / "VOCdevkit").is_dir() else path
    return sorted(folder for folder in parent.glob("VOC*") if _is_devkit(folder))


def _find_only_devkit(path: Path) -> Path:
    devkits = _find_devkits(path)
    if not devkits:
        raise DatasetError(f"{path} is not a VOC devkit; expected {VocFormat.layout}", path=path)
    if len(devkits) > 1:
        names = ", ".join(str(folder) for folder in devkits)
        raise DatasetError(f"{path} contains several VOC devkits: choose one of {names}", path=path)
    return devkits[0]


def _choose_list(devkit: Path, split: str | None) -> tuple[str, Path | None]:
    """Return the name and file of the split's list, or an empty name and None if there are no lists."""
    folder = devkit / "ImageSets" / "Main"
    files = sorted(folder.glob("*.txt"))
    lists = [file.stem for file in files if not _is_class_file(file)]
    if split is None:
        if not lists:
            return "", None
        if len(lists) > 1:
            raise DatasetError(
                f"{devkit} has several lists: choose one of {', '.join(lists)}",
                path=devkit,
                parameter="split",
            )
        split = lists[0]
    if split not in lists:
        reason = f"it has {', '.join(lists)}" if lists else f"there are no lists in {folder}"
        raise DatasetError(f"{devkit} has no list {split!r}: {reason}", path=devkit, parameter="split")
    return split, folder / f"{split}.txt"


def _is_class_file(file: Path) -> bool:
    """Return whether a file in ImageSets/Main contains the labels of one class rather than a list of images."""
    if "_" not in file.stem:
        return False
    with file.open("rb") as text:
        return len(text.readline().split()) == 2


def _add_images(devkit: Path, list_file: Path | None, builder: DatasetBuilder) -> dict[str, SampleDraft]:
    """Add the listed images, and return them by name without suffix; a repeated name keeps its first image."""
    folder = builder.options.images or devkit / "JPEGImages"
    samples: dict[str, SampleDraft] = {}
    if list_file is None:
        for file in sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES):
            samples.setdefault(file.stem, builder.add_image(file, file, None))
        return samples
    for line, words in _read_lines(list_file, builder):
        if len(words) == 1:
            path = _find_image(folder, words[0])
            samples.setdefault(words[0], builder.add_image(path, list_file, line))
        else:
            message = f"{' '.join(words)!r} is not the name of one image"
            builder.add_bad_row("malformed_row", list_file, line, message)
    return samples


def _read_lines(file: Path, builder: DatasetBuilder) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the words of each non-empty line."""
    try:
        text = read_text(file)
    except MalformedFileError as error:
        builder.fail("malformed_file", file, error.line, error.reason)
    for line, content in enumerate(text.split("\n"), start=1):
        if words := content.split():
            yield line, words


def _find_image(folder: Path, image_id: str) -> Path:
    """Return the path of the image with any supported suffix, or with the suffix .jpg if there is no such file."""
    usual = folder / f"{image_id}.jpg"
    if is_file(usual):
        return usual
    others = (folder / f"{image_id}{end}" for suffix in SUFFIXES for end in (suffix, suffix.upper()))
    return next(filter(is_file, others), usual)


# --- annotations -------------------------------------------------------------------------------------------


def _read_annotations(
    devkit: Path, samples: Mapping[str, SampleDraft], builder: DatasetBuilder
) -> dict[str, Annotation]:
    annotations = {}
    for image_id, sample in samples.items():
        file = devkit / "Annotations" / f"{image_id}.xml"
        if not is_file(file):
            builder.add_problem(sample, "missing_annotation", f"annotation {file} is missing")
            continue
        try:
            annotations[image_id] = read_annotation(file, boxes=builder.options.boxes)
        except MalformedFileError as error:
            builder.add_problem(sample, "malformed_file", error.reason, file=file, line=error.line)
    return annotations


def _class_list(devkit: Path, annotations: Iterable[Annotation]) -> tuple[str, ...]:
    """Return the classes of a devkit, given the annotations of the images in one list."""
    voc = set(VOC_CLASSES)
    names = _class_names(annotations)
    if not voc <= names:
        names |= set(_names_in_folder(devkit))
    return VOC_CLASSES if voc <= names or names <= voc else tuple(sorted(names))


def _other_classes(
    devkit: Path, split: str, classes: tuple[str, ...], annotations: Collection[Annotation]
) -> Collection[str]:
    """Return the classes whose objects are left out because the caller chose ``classes``.

    These are the other classes of the devkit and of VOC. If a devkit has classes that are not in VOC, any name may
    be a class, so a typo cannot be distinguished from a class that is left out; the log lists such names.
    """
    unknown = _class_names(annotations).difference(classes, VOC_CLASSES)
    if not unknown:
        # In this usual case, there is no need to read the whole folder of annotations.
        return VOC_CLASSES
    names = {*(tuple(_class_files(devkit, split, None)) or _class_list(devkit, annotations))}
    names |= _class_file_names(devkit, split)
    if left_out := sorted(unknown.intersection(names)):
        _log.warning("objects of %s are left out of %s", ", ".join(map(repr, left_out)), devkit)
    return names.union(VOC_CLASSES)


def _class_names(annotations: Iterable[Annotation]) -> set[str]:
    return {item.name for annotation in annotations for item in annotation.objects}


def _names_in_folder(devkit: Path) -> Iterator[str]:
    """Yield the class names in all annotations of a devkit, regardless of the split."""
    for file in (devkit / "Annotations").glob("*.xml"):
        try:
            annotation = read_annotation(file)
        except MalformedFileError:
            # If the file belongs to the split, it is reported elsewhere; otherwise, it does not matter here.
            continue
        yield from (item.name for item in annotation.objects)


def _apply_annotation(
    sample: SampleDraft,
    annotation: Annotation,
    classes: tuple[str, ...],
    others: Collection[str],
    builder: DatasetBuilder,
) -> None:
    """Convert the objects of one image to labels and boxes, and record any problems.

    Objects of the classes in ``others`` are left out. A name in neither ``others`` nor ``classes`` is a problem.
    """
    file = annotation.file
    if annotation.size is not None:
        builder.declare_size(sample, annotation.size, file, annotation.size_line)
    for kind, line, message in annotation.problems:
        builder.add_problem(sample, kind, message, file=file, line=line)
    present: list[int] = []
    difficult: list[int] = []
    boxes: list[AnnotatedBox] = []
    for item in annotation.objects:
        if item.name not in classes:
            if item.name not in others:
                message = f"unknown class {item.name!r}"
                builder.add_problem(sample, "unknown_class", message, file=file, line=item.line)
            continue
        label = classes.index(item.name)
        (difficult if item.difficult else present).append(label)
        if item.corners is not None:
            boxes.append(AnnotatedBox(label, *item.corners, difficult=item.difficult))
            builder.check_box(sample, boxes[-1], file, item.line)
    sample.labels = make_labels(len(classes), present, difficult)
    if builder.options.boxes:
        sample.boxes = tuple(boxes)


# --- class files -------------------------------------------------------------------------------------------


def _class_files(devkit: Path, split: str, classes: tuple[str, ...] | None) -> dict[str, Path]:
    """Return the class files of a split, one per class, or an empty dict if any class lacks one."""
    folder = devkit / "ImageSets" / "Main"
    if not split:
        return {}
    if classes is None:
        names = _class_file_names(devkit, split)
        from_files = () if (devkit / "Annotations").is_dir() else tuple(sorted(names))
        classes = VOC_CLASSES if names >= set(VOC_CLASSES) else from_files
    files = {name: folder / f"{name}_{split}.txt" for name in classes}
    return files if all(map(is_file, files.values())) else {}


def _class_file_names(devkit: Path, split: str) -> set[str]:
    files = (file for file in (devkit / "ImageSets" / "Main").glob(f"*_{split}.txt") if _is_class_file(file))
    return {file.stem.removesuffix(f"_{split}") for file in files}


def _read_class_files(
    samples: Mapping[str, SampleDraft], files: Mapping[str, Path], builder: DatasetBuilder
) -> None:
    """Set the labels of all samples from class files."""
    columns = [_read_class_file(file, samples, builder) for file in files.values()]
    for image_id, sample in samples.items():
        sample.labels = np.array([column.get(image_id, IGNORE) for column in columns], np.int8)


def _read_class_file(
    file: Path, samples: Mapping[str, SampleDraft], builder: DatasetBuilder
) -> dict[str, int]:
    """Return the labels of one class by image id, skipping the rows of images outside the split."""
    column: dict[str, int] = {}
    lines: dict[str, int] = {}
    for line, (image_id, *values) in _read_lines(file, builder):
        if image_id not in samples:
            continue
        if image_id in lines:
            message = f"{image_id} is already listed on line {lines[image_id]}"
            builder.add_problem(samples[image_id], "duplicate_row", message, file=file, line=line)
            continue
        lines[image_id] = line
        if len(values) == 1 and values[0] in _CLASS_FILE_VALUES:
            column[image_id] = _CLASS_FILE_VALUES[values[0]]
        else:
            message = f"{' '.join(values)!r} after {image_id} is not -1, 0 or 1"
            builder.add_problem(samples[image_id], "bad_value", message, file=file, line=line)
    for image_id, sample in samples.items():
        if image_id not in lines:
            builder.add_problem(sample, "missing_annotation", f"{image_id} has no row", file=file)
    return column

"""The dataset format for Pascal VOC devkits of any year and for datasets with the same layout.

Labels come from tags alone. If every class has a class file in the devkit (such as
``ImageSets/Main/dog_train.txt``, which contains −1, 0 and 1), the labels come from these files; otherwise, they
come from the names and difficult flags of the annotated objects. Boxes are read only on request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from freeloc._log import get_logger
from freeloc.datasets.builder import DatasetBuilder, SampleDraft, make_labels
from freeloc.datasets.dataset import AnnotatedBox, Dataset
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.voc.annotation_xml import Annotation, read_annotation
from freeloc.datasets.voc.class_files import (
    find_class_files,
    is_class_file,
    read_class_files,
    read_lines,
)
from freeloc.datasets.voc.folder_images import FolderImages
from freeloc.errors import DatasetError, DatasetOptionError, MalformedFileError
from freeloc.images.find import is_system_name
from freeloc.io.paths import existing_name, why_not_a_file

__all__ = ["VOC_CLASSES", "VocFormat"]

_log = get_logger(__name__)

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


class VocFormat(DatasetFormat):
    """Dataset format for Pascal VOC devkits of any year and for datasets with the same layout.

    The list is ``ImageSets/Main/<split>.txt``. If no split is given, a devkit's only list is read; for a devkit
    without lists, all images are read in sorted order.

    The classes are `VOC_CLASSES` if no other name occurs in the devkit, or if all twenty of them occur; in the
    latter case, any other name is reported as a typo. Otherwise, the classes are the sorted names in the whole
    ``Annotations`` folder. The classes do not depend on the split, so every split has the same classes in the
    same order. If the caller chooses classes, objects of all other classes are left out; a chosen class that does
    not occur in the devkit is unknown in every image.
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
        images = FolderImages.read(options.images or devkit / "JPEGImages")
        split, list_file = _choose_list(devkit, options.split, images)
        builder = DatasetBuilder(list_file or devkit, options)
        samples = _add_images(images, list_file, builder)
        class_files = _find_class_files(devkit, split, options, images)
        if options.checks.unannotated and not class_files and not _is_annotated(devkit, samples):
            return _without_annotations(devkit, split, samples, builder)
        # Class files contain tags alone, so a devkit that has nothing else has no boxes.
        boxes = options.boxes and not (class_files and not _has_annotations(devkit))
        builder.options = replace(options, boxes=boxes)
        annotations = {} if class_files and not boxes else _read_annotations(devkit, samples, builder)
        known = tuple(class_files) or _class_list(devkit, annotations.values(), options)
        classes = builder.choose_classes(known)
        for image_id, annotation in annotations.items():
            _apply_annotation(samples[image_id], annotation, classes, builder)
        if class_files:
            read_class_files(samples, class_files, classes, builder)
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


def _choose_list(devkit: Path, split: str | None, images: FolderImages) -> tuple[str, Path | None]:
    """Return the name and file of the split's list, or an empty name and None if there are no lists."""
    folder = devkit / "ImageSets" / "Main"
    files = sorted(file for file in folder.glob("*.txt") if not is_system_name(file.name))
    lists = [file.stem for file in files if not is_class_file(file, images)]
    if split is None:
        if not lists:
            return "", None
        if len(lists) > 1:
            raise DatasetOptionError(
                f"{devkit} has several lists: choose one of {', '.join(lists)}",
                path=devkit,
                parameter="split",
            )
        split = lists[0]
    if split not in lists:
        reason = f"it has {', '.join(lists)}" if lists else f"there are no lists in {folder}"
        raise DatasetOptionError(f"{devkit} has no list {split!r}: {reason}", path=devkit, parameter="split")
    return split, folder / f"{split}.txt"


def _add_images(
    images: FolderImages, list_file: Path | None, builder: DatasetBuilder
) -> dict[str, SampleDraft]:
    """Add the listed images, and return them by name without suffix; a repeated name keeps its first image."""
    samples: dict[str, SampleDraft] = {}
    if list_file is None:
        for name in sorted(name for names in images.names.values() for name in names):
            file = images.folder / name
            sample = builder.add_image(file, file, None)
            samples.setdefault(file.stem, sample)
            _check_suffixes(images.find_all(file.stem), sample, builder)
        return samples
    for line, image_id in read_lines(list_file, builder):
        if len(image_id.split()) == 1 or image_id in images:
            sample = builder.add_image(images.path(image_id), list_file, line)
            samples.setdefault(image_id, sample)
            _check_suffixes(images.find_all(image_id), sample, builder)
        else:
            message = f"{' '.join(image_id.split())!r} is not the name of one image"
            builder.add_bad_row("malformed_row", list_file, line, message)
    return samples


def _check_suffixes(names: Sequence[str], sample: SampleDraft, builder: DatasetBuilder) -> None:
    """Record a problem if several images have the same name without suffix, and so the same annotation."""
    if len(names) > 1:
        message = (
            f"{' and '.join(names)} have the same name without suffix, so it is unclear to which of them lists "
            "and annotations refer: rename or remove one"
        )
        builder.add_problem(sample, "ambiguous_image", message)


# --- annotations -------------------------------------------------------------------------------------------


def _read_annotations(
    devkit: Path, samples: Mapping[str, SampleDraft], builder: DatasetBuilder
) -> dict[str, Annotation]:
    annotations: dict[str, Annotation] = {}
    for image_id, sample in samples.items():
        folder = devkit / "Annotations"
        file = folder / existing_name(folder, f"{image_id}.xml")
        if (reason := why_not_a_file(file)) is not None:
            builder.add_problem(sample, "missing_annotation", f"annotation {file} {reason}")
            continue
        try:
            annotations[image_id] = read_annotation(file, boxes=builder.options.boxes)
        except MalformedFileError as error:
            builder.add_problem(sample, "malformed_file", error.reason, file=file, line=error.line)
    found = annotations.values()
    if any(each.lacks_boxes for each in found) and not any(each.has_boxes for each in found):
        # The objects are only tags, so their missing boxes are not problems of single images.
        builder.options = replace(builder.options, boxes=False)
        return {image_id: read_annotation(each.file) for image_id, each in annotations.items()}
    return annotations


def _is_annotated(devkit: Path, samples: Iterable[str]) -> bool:
    """Return whether at least half of the images have an annotation file; the log says if only some have.

    The annotations of Pascal VOC's test sets are not published, but some of their images may have annotations for
    other competitions, which do not list all objects.
    """
    folder = devkit / "Annotations"
    found = [(folder / existing_name(folder, f"{image_id}.xml")).is_file() for image_id in samples]
    count, total = sum(found), len(found)
    if 2 * count >= total:
        return True
    if count:
        _log.warning("%s: only %d of %d images have an annotation, so none is read", folder, count, total)
    return False


def _without_annotations(
    devkit: Path, split: str, samples: Mapping[str, SampleDraft], builder: DatasetBuilder
) -> Dataset:
    """Build a dataset of unknown labels, with the chosen classes or those of the devkit."""
    classes = builder.options.classes or _class_list(devkit, (), builder.options)
    builder.options = replace(builder.options, boxes=False)
    for sample in samples.values():
        sample.labels = make_labels(len(classes), (), range(len(classes)))
    return builder.build(f"{devkit.resolve().name} {split}".strip(), classes)


def _has_annotations(devkit: Path) -> bool:
    return (devkit / "Annotations").is_dir()


def _find_class_files(
    devkit: Path, split: str, options: OpenOptions, images: FolderImages
) -> dict[str, Path]:
    """Return the class files from which labels are read; an empty dict if they are read from annotations."""
    rules, has_annotations = options.tags, _has_annotations(devkit)
    if rules.renames and has_annotations:
        return {}  # an alias of a class need not have a class file
    chosen = None if rules.renames or rules.untagged == "unknown" else options.classes
    files = find_class_files(devkit, split, chosen, images, VOC_CLASSES)
    if files or chosen is None or has_annotations:
        return files
    return find_class_files(devkit, split, None, images, VOC_CLASSES)


def _class_list(devkit: Path, annotations: Iterable[Annotation], options: OpenOptions) -> tuple[str, ...]:
    """Return the classes of a devkit, given the annotations of the images in one list.

    If the caller chose classes, only classes that occur in the devkit are returned, because nobody may have looked
    for the others. Names are those in the devkit, which may be aliases of the classes.
    """
    voc, rules = set(VOC_CLASSES), options.tags
    names = _class_names(annotations)
    if rules.renames or not names.issuperset(options.classes or voc):
        names |= set(_names_in_folder(devkit))
    if options.classes is not None:
        return tuple(sorted(names))
    spellings = rules.spellings(VOC_CLASSES)
    classes = {spellings.get(key, name) for name in names if (key := rules.key(name))}
    if not (voc <= classes or classes <= voc):
        return tuple(sorted(names))
    # Any other name is reported as a typo.
    aliases = (
        name for name in sorted(names - voc) if spellings.get(rules.key(name)) in voc or not rules.key(name)
    )
    return (*VOC_CLASSES, *aliases)


def _class_names(annotations: Iterable[Annotation]) -> set[str]:
    return {item.name for annotation in annotations for item in annotation.objects}


def _names_in_folder(devkit: Path) -> Iterator[str]:
    """Yield the class names in all annotations of a devkit, regardless of the split."""
    for file in (devkit / "Annotations").glob("*.xml"):
        if is_system_name(file.name):
            continue
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
    builder: DatasetBuilder,
) -> None:
    """Convert the objects of one image to labels and boxes, and record any problems.

    If the caller chose classes, objects of other classes are left out; otherwise, an unknown name is a problem.
    """
    file = annotation.file
    if annotation.size is not None:
        builder.declare_size(sample, annotation.size, file, annotation.size_line)
    for kind, line, message in annotation.problems:
        builder.add_problem(sample, kind, message, file=file, line=line)
    present: list[int] = []
    difficult: list[int] = []
    boxes: list[AnnotatedBox] = []
    left_out: set[str] = set()
    for item in annotation.objects:
        if item.name not in classes:
            left_out.add(item.name)
            if builder.options.classes is None:
                message = f"unknown class {item.name!r}"
                builder.add_problem(sample, "unknown_class", message, file=file, line=item.line)
            continue
        label = classes.index(item.name)
        (difficult if item.difficult else present).append(label)
        if item.corners is not None:
            boxes.append(AnnotatedBox(label, *item.corners, difficult=item.difficult))
            builder.check_box(sample, boxes[-1], file, item.line)
    if builder.options.classes is not None:
        builder.leave_out(left_out)
    sample.labels = make_labels(len(classes), present, difficult)
    if builder.options.boxes:
        sample.boxes = tuple(boxes)

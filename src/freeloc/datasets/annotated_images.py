"""Build a dataset from the images of a label tool: tags, objects with or without boxes, and the declared size.

Each reader of a label tool's files returns its images in this form, so that labels and boxes mean the same in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from freeloc._class_names import quote_names
from freeloc.datasets.annotated_box import AnnotatedBox
from freeloc.datasets.builder import DatasetBuilder, SampleDraft, make_labels
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.split_rows import select_rows
from freeloc.datasets.tags.rows import RowProblem
from freeloc.geometry.box import Corners
from freeloc.geometry.size import Size

__all__ = ["AnnotatedImage", "ImageObject", "build_dataset", "names_in"]


class ImageObject(NamedTuple):
    """An object that was marked in an image.

    Attributes:
        name: class name of the object.
        line: line number of the object; None for that of the image.
        corners: the box, in pixels of the raster of the declared size; None if boxes are not read, or if the
            object has none, such as a point.
        difficult: whether the object is hard to recognize, as in VOC.
        crowd: whether the box surrounds a group of objects, as in COCO.
        has_sides: whether the file gives the width and height of the box, instead of its right and bottom edges.
    """

    name: str
    line: int | None = None
    corners: Corners | None = None
    difficult: bool = False
    crowd: bool = False
    has_sides: bool = False


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image as a label tool describes it.

    Attributes:
        file: the file that describes the image.
        line: line number of the image in the file; None if the file describes only this image.
        image: the image file, or None if the file does not name one.
        split: the split to which the image belongs, or None if it is not specified.
        tags: classes that are present.
        absent: classes that are absent; all others are then unknown. None if every class that is not named is
            absent.
        unknown: classes whose presence is unknown.
        objects: the marked objects, whose classes are present, too.
        size: the declared size of the image, or None.
        problems: problems with the image.
        prefix: start of every message about the image, unless its line identifies it.
    """

    file: Path
    line: int | None
    image: Path | None
    split: str | None = None
    tags: tuple[str, ...] = ()
    absent: tuple[str, ...] | None = None
    unknown: tuple[str, ...] = ()
    objects: tuple[ImageObject, ...] = ()
    size: Size | None = None
    problems: tuple[RowProblem, ...] = ()
    prefix: str = ""


def names_in(images: Iterable[AnnotatedImage]) -> tuple[str, ...]:
    """Return the names of all classes that images have or lack, sorted."""
    names: set[str] = set()
    for image in images:
        names.update(image.tags, image.absent or (), image.unknown, (item.name for item in image.objects))
    return tuple(sorted(names))


def build_dataset(
    name: str, images: Sequence[AnnotatedImage], known: Sequence[str], builder: DatasetBuilder
) -> Dataset:
    """Build the dataset of images, or of those in the chosen split.

    Boxes are read if any image has one; otherwise, there are only tags, and the boxes are unknown.

    Args:
        name: name of the dataset, without its split.
        images: the images of all splits.
        known: the classes of all splits.
        builder: the builder, to which no image has been added yet.

    Raises:
        DataProblems: there are problems that ``skip_bad`` does not solve.
        DatasetError: no image is in the chosen split, or the dataset is empty.
    """
    options = builder.options
    classes = builder.choose_classes(known)
    has_boxes = any(item.corners is not None for image in images for item in image.objects)
    builder.options = replace(options, boxes=options.boxes and has_boxes)
    labels = {each: label for label, each in enumerate(classes)}
    for image in select_rows(images, options.split, builder.path, builder):
        _add_image(image, labels, builder)
    return builder.build(f"{name} {options.split or ''}".strip(), classes)


def _add_image(image: AnnotatedImage, labels: dict[str, int], builder: DatasetBuilder) -> None:
    if image.image is None:
        message = "; ".join(problem.message for problem in image.problems)
        builder.add_bad_row(image.problems[0].kind, image.file, image.line, image.prefix + message)
        return
    is_known_to_be_bad = any(
        problem.kind in ("missing_image", "unreadable_image") for problem in image.problems
    )
    sample = builder.add_image(
        image.image, image.file, image.line, image.prefix, check=not is_known_to_be_bad
    )
    sample.split = image.split
    for kind, message, line, file in image.problems:
        builder.add_problem(sample, kind, message, file=file, line=line)
    if image.size is not None:
        builder.declare_size(sample, image.size, image.file, image.line)
    sure = [item.name for item in image.objects if not (item.difficult or item.crowd)]
    present = {*image.tags, *sure}
    doubtful = {*image.unknown, *(item.name for item in image.objects)}
    if image.absent is not None:
        doubtful |= labels.keys() - set(image.absent)
    builder.leave_out((present | set(image.unknown)) - labels.keys())
    sample.labels = make_labels(
        len(labels),
        present=[labels[name] for name in present if name in labels],
        ignored=[labels[name] for name in doubtful if name in labels],
    )
    if builder.options.boxes:
        _add_boxes(sample, image, labels, builder)
        without = _without_box(image, present & labels.keys(), builder.options)
        if without and not image.problems:
            names = quote_names(without)
            message = f"there is no box of {names}: draw one, remove the tag, or choose other classes"
            builder.add_problem(sample, "bad_value", message)


def _without_box(image: AnnotatedImage, present: set[str], options: OpenOptions) -> list[str]:
    """Return the names of present classes of which the image has no box."""
    rules, wanted = options.tags, options.wanted_tags(present)
    boxed = {"", *(rules.key(item.name) for item in image.objects if item.corners is not None)}
    return sorted(
        name for name in present if rules.key(name) not in boxed and (wanted is None or name in wanted)
    )


def _add_boxes(
    sample: SampleDraft, image: AnnotatedImage, labels: dict[str, int], builder: DatasetBuilder
) -> None:
    boxes: list[AnnotatedBox] = []
    for item in image.objects:
        if item.corners is None or item.name not in labels:
            continue
        box = AnnotatedBox(labels[item.name], *item.corners, difficult=item.difficult, crowd=item.crowd)
        boxes.append(box)
        line = image.line if item.line is None else item.line
        builder.check_box(sample, box, image.file, line, has_sides=item.has_sides)
    sample.boxes = tuple(boxes)

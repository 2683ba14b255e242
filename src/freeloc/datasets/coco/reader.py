"""The dataset format for COCO instances files.

A class is present in an image if the image contains an object of the class that is neither a crowd nor ignored. If
the image contains only crowds or ignored objects of the class, the class is ignored, and otherwise absent. In LVIS
files, a class is absent only where the file says so. Boxes are read only on request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from freeloc.datasets.builder import DatasetBuilder, SampleDraft, make_labels
from freeloc.datasets.coco.instances_file import CocoFile, CocoImage, CocoObject, read_coco_file
from freeloc.datasets.dataset import AnnotatedBox, Dataset
from freeloc.datasets.file_outline import outline_json, read_beginning
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.images_folder import find_images_folder
from freeloc.datasets.json_values import CocoId
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.problems import DataProblems, Problem, ProblemKind
from freeloc.errors import DatasetError, DatasetOptionError, MalformedFileError
from freeloc.io.folders import expand_user
from freeloc.io.paths import existing_name, is_file

__all__ = ["CocoFormat", "CocoIds", "category_ids", "read_ids"]


class CocoFormat(DatasetFormat):
    """Dataset format for COCO instances files.

    The classes are all categories of the file, in the order of their ids; `category_ids` returns the ids. Images
    are looked up in the folder given by the option ``images``. Without it, they are looked up in ``<split>/``,
    ``images/<split>/`` and ``images/`` of the COCO folder, in the COCO folder itself, and next to the instances
    file. If the caller chooses classes, objects of all other categories are left out.
    """

    layout = "COCO: a file *.json, or a folder with annotations/instances_*.json"

    def detect(self, path: Path) -> bool:
        """Return whether a path is a JSON file with COCO's lists, or a folder that contains instances files."""
        if not path.is_file():
            return bool(_find_instances(path))
        if path.suffix.lower() != ".json":
            return False
        outline = outline_json(read_beginning(path))
        return outline.kind == "object" and not outline.keys.isdisjoint(("images", "annotations"))

    def guess(self, path: Path) -> bool:
        """Return whether a path is any JSON file, such as one that is cut off or begins with other lists."""
        return path.suffix.lower() == ".json" and path.is_file()

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read one instances file."""
        file = _choose_file(path, options.split)
        contents = _read_file(file, boxes=options.boxes)
        if contents.lacks_boxes:
            contents = _read_file(file, boxes=False)
        builder = DatasetBuilder(file, replace(options, boxes=contents.boxes))
        for line, message in contents.bad_images:
            builder.add_bad_row("bad_value", file, line, message)
        for line, message in contents.problems:
            builder.add_fatal_problem("bad_value", file, line, message)
        known = tuple(_ids_by_name(contents))
        classes = builder.choose_classes(known)
        samples = _add_images(contents, builder)
        _report_unlisted_images(contents, samples, builder)
        categories = _Categories(contents, classes)
        images = _images_by_id(contents)
        for image_id, sample in samples.items():
            _apply_image(sample, images[image_id], contents.objects.get(image_id, ()), categories, builder)
        return builder.build(f"COCO {_split_of(file)}", classes)


def category_ids(path: str | Path, split: str | None = None) -> Mapping[str, int]:
    """Return the category id of every class in a COCO file, in the order of the ids.

    Args:
        path: the JSON file, or a COCO folder.
        split: name of the instances file in the folder, such as "val2017" or "val".

    Returns:
        A read-only mapping from class name to category id.

    Raises:
        DataProblems: the file is malformed.
        DatasetError: the file does not exist.

    Example:
        >>> ids = category_ids("coco", "val2017")
        >>> ids["zebra"]
        24
    """
    return read_ids(expand_user(path), split).categories


@dataclass(frozen=True)
class CocoIds:
    """The ids in a COCO file, to which other files, such as detection results, refer.

    Attributes:
        images: file names by image id, in the order of the file; for a repeated id, the first file name.
        categories: category ids by class name, in the order of the ids.
    """

    images: Mapping[CocoId, str]
    categories: Mapping[str, int]


def read_ids(path: Path, split: str | None = None) -> CocoIds:
    """Read the image and category ids of a COCO file; for the arguments and errors, see `category_ids`."""
    contents = _read_file(_choose_file(path, split), boxes=False)
    images = {image_id: image.file_name for image_id, image in _images_by_id(contents).items()}
    return CocoIds(MappingProxyType(images), MappingProxyType(_ids_by_name(contents)))


class _Categories:
    """The ids of all categories, and the class indices of the chosen categories by id.

    Attributes:
        names: names of all categories by id.
        labels: class index of each chosen category by id.
        count: number of classes.
        federated: whether only some classes were looked for in each image, as in LVIS. Every image then lists the
            absent ones.
    """

    def __init__(self, contents: CocoFile, classes: tuple[str, ...]) -> None:
        chosen = {name: label for label, name in enumerate(classes)}
        self.names: dict[CocoId, str] = dict(contents.categories.items())
        self.labels: dict[CocoId, int] = {
            category_id: chosen[name] for category_id, name in contents.categories.items() if name in chosen
        }
        self.count = len(classes)
        self.federated = any(image.absent is not None for image in contents.images)


def _find_instances(root: Path) -> list[Path]:
    return sorted((root / "annotations").glob("instances_*.json"))


def _split_of(file: Path) -> str:
    return file.stem.removeprefix("instances_")


def _is_split(file: Path, split: str) -> bool:
    """Return whether a file contains a split; "val" also matches ``instances_val2017.json``."""
    name = _split_of(file)
    return split in (name, name.rstrip("0123456789"))


def _choose_file(path: Path, split: str | None) -> Path:
    if path.is_file():
        if split is not None and not _is_split(path, split):
            raise DatasetOptionError(
                f"{path} is not the split {split!r}: omit the split, or specify the COCO folder instead of a file",
                path=path,
                parameter="split",
            )
        return path
    files = _find_instances(path)
    if not files:
        raise DatasetError(f"{path} is not a COCO dataset; expected {CocoFormat.layout}", path=path)
    known = ", ".join(map(_split_of, files))
    if split is None:
        fitting = files
    else:
        fitting = [file for file in files if _split_of(file) == split] or [
            file for file in files if _is_split(file, split)
        ]
    if not fitting:
        raise DatasetOptionError(
            f"{path} has no annotations/instances_{split}.json: choose one of {known}",
            path=path,
            parameter="split",
        )
    if len(fitting) > 1:
        raise DatasetOptionError(
            f"{path} has several instances files: choose one of {known}", path=path, parameter="split"
        )
    return fitting[0]


def _read_file(file: Path, *, boxes: bool) -> CocoFile:
    try:
        return read_coco_file(file, boxes=boxes)
    except MalformedFileError as error:
        raise DataProblems(file, [Problem.from_error(error)], fatal=1) from error


def _images_by_id(contents: CocoFile) -> dict[CocoId, CocoImage]:
    """Return the images by id; a repeated id keeps its first image."""
    images: dict[CocoId, CocoImage] = {}
    for image in contents.images:
        images.setdefault(image.id, image)
    return images


def _ids_by_name(contents: CocoFile) -> dict[str, int]:
    return {name: category_id for category_id, name in sorted(contents.categories.items())}


def _add_images(contents: CocoFile, builder: DatasetBuilder) -> dict[CocoId, SampleDraft]:
    """Add the images, and return them by id; a repeated id keeps its first image."""
    file = contents.file
    folder = builder.options.images or _find_images_folder(
        file, [image.file_name for image in contents.images]
    )
    samples: dict[CocoId, SampleDraft] = {}
    for image in contents.images:
        path = folder / existing_name(folder, image.file_name)
        if image.from_address and not is_file(path) and is_file(folder / path.name):
            path = folder / path.name
        sample = builder.add_image(path, file, image.line, f"image {image.id}: ")
        first = samples.setdefault(image.id, sample)
        if first is not sample and first.path != sample.path:
            message = f"{first.path.name} already has this id"
            builder.add_problem(sample, "duplicate_row", message)
    return samples


def _find_images_folder(file: Path, names: list[str]) -> Path:
    root = file.parent.parent if file.parent.name == "annotations" else file.parent
    split = _split_of(file)
    return find_images_folder(
        (root / split, root / "images" / split, root / "images", root, file.parent), names
    )


def _report_unlisted_images(
    contents: CocoFile, samples: Mapping[CocoId, SampleDraft], builder: DatasetBuilder
) -> None:
    for image_id, objects in contents.objects.items():
        if image_id not in samples:
            for item in objects:
                message = f"{item.name} belongs to image {image_id!r}, which the file does not list"
                builder.add_fatal_problem("bad_value", contents.file, item.line, message)


def _apply_image(
    sample: SampleDraft,
    image: CocoImage,
    objects: Iterable[CocoObject],
    categories: _Categories,
    builder: DatasetBuilder,
) -> None:
    """Convert the annotations of one image to labels and boxes, and record any problems."""
    if image.size is not None:
        builder.declare_size(sample, image.size, sample.file, image.line)
    for problem in (image.problem, image.size_problem if builder.options.boxes else ""):
        if problem:
            builder.add_problem(sample, "bad_value", problem)
    present: list[int] = []
    ignored = _unknown_labels(sample, image, categories, builder)
    boxes: list[AnnotatedBox] = []
    left_out: set[str] = set()
    for item in objects:
        if problem := _problem_of(item, image, categories):
            kind: ProblemKind = "bad_value" if item.category in categories.names else "unknown_class"
            builder.add_problem(sample, kind, f"{item.name}{problem}", line=item.line)
            continue
        label = categories.labels.get(item.category)
        if label is None:
            left_out.add(categories.names[item.category])
            continue
        (ignored if item.crowd else present).append(label)
        if item.corners is not None:
            boxes.append(AnnotatedBox(label, *item.corners, crowd=item.crowd))
            builder.check_box(sample, boxes[-1], sample.file, item.line, has_sides=True)
    builder.leave_out(left_out)
    sample.labels = make_labels(categories.count, present, ignored)
    if builder.options.boxes:
        sample.boxes = tuple(boxes)


def _problem_of(item: CocoObject, image: CocoImage, categories: _Categories) -> str:
    """Return what is wrong with an annotation, or an empty string."""
    if item.category not in categories.names:
        return f" has category_id {item.category!r}, which is not among the categories"
    if item.problem:
        return f": {item.problem}"
    if not item.crowd and item.category in (image.absent or ()):
        return f" has category_id {item.category!r}, which is also in the image's neg_category_ids"
    return ""


def _unknown_labels(
    sample: SampleDraft, image: CocoImage, categories: _Categories, builder: DatasetBuilder
) -> list[int]:
    """Return the classes that may be present although no object of them is annotated, in a file such as LVIS."""
    for category in (*(image.absent or ()), *image.incomplete):
        if category not in categories.names:
            message = f"the image refers to category {category!r}, which is not among the categories"
            builder.add_problem(sample, "unknown_class", message)
    unknown = set(image.incomplete)
    if categories.federated:
        unknown |= categories.labels.keys() - set(image.absent or ())
    return [categories.labels[category] for category in unknown if category in categories.labels]

"""Read the class files of a VOC devkit: ``ImageSets/Main/dog_train.txt`` with −1, 0 or 1 for each image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from freeloc.datasets.builder import DatasetBuilder, SampleDraft
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.dataset import IGNORE
from freeloc.datasets.voc.folder_images import FolderImages
from freeloc.errors import MalformedFileError
from freeloc.images.find import is_system_name
from freeloc.io.paths import existing_name
from freeloc.io.text import read_bytes, read_text

__all__ = ["class_file_names", "find_class_files", "is_class_file", "read_class_files", "read_lines"]

_VALUES = {"1": 1, "+1": 1, "0": 0, "-1": -1}
_LINE = re.compile(rb"\S[^\n]*")
_TWO_WORDS = re.compile(rb"^[ \t]*\S+[ \t]+\S+[ \t\r]*$", re.MULTILINE)
_ENDS_WITH_VALUE = re.compile(rb"^[ \t]*(\S[^\n]*?)[ \t]+([+-]?1|0)[ \t\r]*$", re.MULTILINE)


def is_class_file(file: Path, images: FolderImages) -> bool:
    """Return whether a file in ImageSets/Main contains the labels of one class rather than a list of images.

    Most lines of a class file consist of the name of an image and a value. Names of images may contain
    blanks, too, so that "street 1" may be an image in a list, or the image "street" with the value 1; the
    images decide.

    Args:
        file: the file.
        images: the images of the devkit.
    """
    if "_" not in file.stem:
        return False
    data = read_bytes(file)
    lines = len(_LINE.findall(data))
    if not images.has_blanks:
        return 2 * len(_TWO_WORDS.findall(data)) > lines
    rows = [(match[0], match[1]) for match in _ENDS_WITH_VALUE.finditer(data)]
    if 2 * len(rows) <= lines:
        return False
    whole, first = (
        sum(text.decode(errors="replace").strip() in images for text in texts)
        for texts in zip(*rows, strict=True)
    )
    return first >= whole


def find_class_files(
    devkit: Path, split: str, classes: tuple[str, ...] | None, images: FolderImages, usual: tuple[str, ...]
) -> dict[str, Path]:
    """Return the class files of a split, one per class, or an empty dict if any class lacks one.

    Args:
        devkit: the folder of the devkit.
        split: name of the split; empty if the devkit has no lists.
        classes: the chosen classes. If None, these are the usual classes if all of them have a class file, or
        else, in
            a devkit without annotations, all classes that have one.
        images: the images of the devkit.
        usual: the classes of Pascal VOC.
    """
    folder = devkit / "ImageSets" / "Main"
    if not split:
        return {}
    if classes is None:
        names = class_file_names(devkit, split, images)
        from_files = () if (devkit / "Annotations").is_dir() else tuple(sorted(names))
        classes = usual if names >= set(usual) else from_files
    files = {name: folder / existing_name(folder, f"{name}_{split}.txt") for name in classes}
    return files if all(file.is_file() for file in files.values()) else {}


def class_file_names(devkit: Path, split: str, images: FolderImages) -> set[str]:
    """Return the names of all classes that have a class file for a split."""
    end = f"_{split}.txt"
    files = (file for file in (devkit / "ImageSets" / "Main").glob("*.txt") if file.name.endswith(end))
    return {
        clean_name(file.name.removesuffix(end))
        for file in files
        if not is_system_name(file.name) and is_class_file(file, images)
    }


def read_lines(file: Path, builder: DatasetBuilder) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of each non-empty line, without white space at both ends."""
    try:
        text = read_text(file)
    except MalformedFileError as error:
        builder.fail("malformed_file", file, error.line, error.reason)
    for line, content in enumerate(text.split("\n"), start=1):
        if stripped := content.strip():
            yield line, stripped


def read_class_files(
    samples: Mapping[str, SampleDraft],
    files: Mapping[str, Path],
    classes: Sequence[str],
    builder: DatasetBuilder,
) -> None:
    """Set the labels of all samples from class files; the labels of a class without a file are 0."""
    columns = [
        _read_class_file(files[name], samples, builder) if name in files else dict[str, int]()
        for name in classes
    ]
    for image_id, sample in samples.items():
        sample.labels = np.array([column.get(image_id, IGNORE) for column in columns], np.int8)


def _read_class_file(
    file: Path, samples: Mapping[str, SampleDraft], builder: DatasetBuilder
) -> dict[str, int]:
    """Return the labels of one class by image id, skipping the rows of images outside the split."""
    column: dict[str, int] = {}
    lines: dict[str, int] = {}
    for line, content in read_lines(file, builder):
        image_id, value = _split_row(content, samples)
        if image_id not in samples:
            continue
        if image_id in lines:
            message = f"{image_id} is already listed on line {lines[image_id]}"
            builder.add_problem(samples[image_id], "duplicate_row", message, file=file, line=line)
            continue
        lines[image_id] = line
        if value in _VALUES:
            column[image_id] = _VALUES[value]
        else:
            message = f"{value!r} after {image_id} is not -1, 0 or 1"
            builder.add_problem(samples[image_id], "bad_value", message, file=file, line=line)
    for image_id, sample in samples.items():
        if image_id not in lines:
            builder.add_problem(sample, "missing_annotation", f"{image_id} has no row", file=file)
    return column


def _split_row(content: str, samples: Mapping[str, SampleDraft]) -> tuple[str, str]:
    """Return the image id, which may contain blanks, and the rest of a row."""
    image_id, *rest = content.rsplit(None, 1)
    if image_id not in samples:
        image_id, *rest = content.split()
    return image_id, " ".join(rest)

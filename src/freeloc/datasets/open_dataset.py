"""Open a dataset in any registered format."""

from __future__ import annotations

import os
from collections.abc import Sequence

from freeloc._validation import check_arguments
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.formats import FORMATS, detect_format, minus_one_error
from freeloc.datasets.options import DatasetChecks, OpenOptions
from freeloc.errors import ConfigurationError, DatasetOptionError, MissingDatasetError
from freeloc.io.folders import expand_user
from freeloc.io.text import check_exists, is_encodable

__all__ = ["open_dataset"]


@check_arguments
def open_dataset(
    path: str | os.PathLike[str],
    *,
    split: str | None = None,
    format: str = "auto",  # noqa: A002 - also the name of the command-line option
    classes: Sequence[str] | None = None,
    boxes: bool = False,
    images: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
    checks: DatasetChecks | None = None,
) -> Dataset:
    """Open a dataset: a VOC devkit, a COCO instances file, a tag list, or any other registered format.

    All problems of the dataset are found before any long computation starts, and are reported together.

    Args:
        path: the folder or file; `docs/data.md` shows every layout.
        split: the name of a list in a VOC devkit ("train"), of an instances file in a COCO folder ("val2017" or
            "val"), or of a part of a tag list. None reads a whole tag list or, in other formats, the only split.
        format: "voc", "coco", "tags", "folders" or the name of another registered format; "auto" detects it.
        classes: class names in the requested order, matched exactly after leading and trailing white space and
            invisible characters are removed. None uses the dataset's own classes, which are the same, and in the
            same order, for every split. If ``classes`` is given, all other classes of a VOC devkit, a COCO file or
            a CSV file with one column per class are left out; in other tag lists, a tag that is not in ``classes``
            is a problem.
        boxes: whether to read boxes, for evaluation. If False, no box is read, not even to check it. Tag lists
            have no boxes, so their ``Sample.boxes`` is None.
        images: folder that contains the images, if they are not in the usual place. File names in a tag list are
            relative to this folder.
        skip_bad: whether to leave out images that have a problem. ``Dataset.skipped`` counts them, and the log
            lists their problems. A problem that does not concern a single image still raises an error.
        checks: what to check; None for the defaults of `DatasetChecks`.

    Returns:
        The dataset, with its samples in the order of the list file, or sorted if there is no list file. Labels are
        +1 for present, −1 for absent and 0 for ignored; boxes are in image coordinates.

    Raises:
        DataProblems: the dataset has problems; the report gives the file and line of each.
        MissingDatasetError: ``path`` or ``images`` does not exist.
        DatasetError: ``path`` is not a dataset, or (`DatasetOptionError`) an option does not apply to it.
        ConfigurationError: ``format`` or ``classes`` is not valid.

    Example:
        >>> train = open_dataset("VOCdevkit/VOC2012", split="train", checks=DatasetChecks(for_training=True))
        >>> val = open_dataset("coco", split="val2017", boxes=True)
        >>> tagged = open_dataset("holiday/tags.csv", classes=["dog", "beach"], skip_bad=True)
        >>> print(len(tagged), "image,", tagged.skipped, "left out")
        1 image, 1 left out
    """
    root = expand_user(path)
    chosen = None if format == "auto" else FORMATS.get(format, parameter="format")
    check_exists(root, "dataset")
    folder = None if images is None else expand_user(images)
    if folder is not None and not folder.is_dir():
        kind = DatasetOptionError if folder.exists() else MissingDatasetError
        raise kind(
            f"images is {folder}, which is not a folder: specify the folder that contains the images",
            path=folder,
            parameter="images",
        )
    options = OpenOptions(
        split=split,
        classes=_checked_classes(classes),
        boxes=boxes,
        images=folder,
        skip_bad=skip_bad,
        checks=checks or DatasetChecks(),
    )
    reader = detect_format(root) if chosen is None else chosen()
    if options.checks.minus_one is not None and not reader.reads_minus_one:
        raise minus_one_error(root)
    return reader.open(root, options)


def _checked_classes(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the class names in their usual spelling (`clean_name`).

    Raises:
        ConfigurationError: there are no names, or a name is empty, repeated, or not encodable as UTF-8.
    """
    if classes is None:
        return None
    names = tuple(map(clean_name, classes))
    if not names:
        raise _classes_error("is empty: specify at least one class")
    for name in names:
        if not name:
            raise _classes_error("contains an empty name: remove it")
        if not is_encodable(name):
            raise _classes_error(f"contains {name!r}, which UTF-8 cannot encode: rename the class")
        if names.count(name) > 1:
            raise _classes_error(f"contains {name!r} more than once: list each class only once")
    return names


def _classes_error(problem: str) -> ConfigurationError:
    return ConfigurationError(f"classes {problem}", parameter="classes")

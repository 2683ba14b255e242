"""Open a dataset in any registered format."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

from freeloc._class_names import check_class_names
from freeloc._validation import check_arguments, check_keywords
from freeloc.datasets.data_source import DataFrame, DataSource, TagsInMemory
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.formats import (
    FORMATS,
    DatasetFormat,
    ancestors_error,
    detect_format,
    minus_one_error,
)
from freeloc.datasets.options import DatasetChecks, OpenOptions
from freeloc.datasets.tag_options import TagOptions, read_rules
from freeloc.errors import ConfigurationError, DatasetOptionError, MissingDatasetError
from freeloc.io.folders import expand_user
from freeloc.io.regular_file import broken_link
from freeloc.io.text import check_exists

__all__ = ["open_dataset"]


@check_arguments
def open_dataset(
    path: DataSource,
    *,
    split: str | None = None,
    format: str = "auto",  # noqa: A002 - also the name of the command-line option
    classes: Sequence[str] | None = None,
    boxes: bool = False,
    images: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
    checks: DatasetChecks | None = None,
    **tag_options: Unpack[TagOptions],
) -> Dataset:
    """Open a dataset: a VOC devkit, COCO file, tag list, file of a label tool, tags in memory, or another format.

    All problems of the dataset are found before any long computation starts, and are reported together.

    Args:
        path: the folder or file; `docs/data.md` shows every layout. Or tags in memory: a dictionary of the tags of
            each image by its path, or a DataFrame of pandas or polars with the columns of a CSV list.
        split: the name of a list in a VOC devkit ("train"), of an instances file in a COCO folder ("val2017" or
            "val"), or of a part of a tag list. None reads a whole tag list or, in other formats, the only split.
        format: the name of a format in `docs/data.md`, such as "voc", or of another registered one; "auto" detects
            it.
        classes: class names in the requested order, matched exactly after leading and trailing white space and
            invisible characters are removed. None uses the dataset's own classes, which are the same, and in the
            same order, for every split. If ``classes`` is given, all other classes are left out, in every format.
            The label of a class that the dataset does not have is 0 in every image; with ``checks.for_training``,
            the class is left out instead. The log names both kinds of classes once.
        boxes: whether to read boxes, for evaluation. If False, no box is read, not even to check it. Where there
            are only tags (a tag list, a VOC devkit or COCO file in which no object has a box), ``Sample.boxes`` is
            None.
        images: folder that contains the images, if they are not in the usual place. File names in a tag list are
            relative to this folder; those in memory, by default, to the working directory.
        skip_bad: whether to leave out images that have a problem. ``Dataset.skipped`` counts them, and the log
            lists their problems. A problem that does not concern a single image still raises an error.
        checks: what to check; None for the defaults of `DatasetChecks`.
        tag_options: how tags become classes, as explained by `TagRules`: ``aliases``, a file or dictionary of
            other names of classes; ``fold_case``, ``min_images`` and ``untagged``.

    Returns:
        The dataset, with its samples in the order of the list file, or sorted if there is no list file. Labels are
        +1 for present, −1 for absent and 0 for ignored; boxes are in image coordinates.

    Raises:
        DataProblems: the dataset has problems; the report gives the file and line of each.
        MissingDatasetError: ``path`` or ``images`` does not exist.
        DatasetError: ``path`` is not a dataset, or (`DatasetOptionError`) an option does not apply to it.
        ConfigurationError: ``format`` or ``classes`` is not valid, or the dataset has none of the classes.

    Example:
        >>> train = open_dataset("VOCdevkit/VOC2012", split="train", checks=DatasetChecks(for_training=True))
        >>> val = open_dataset("coco", split="val2017", boxes=True)
        >>> tagged = open_dataset("holiday/tags.csv", classes=["dog", "beach"], skip_bad=True)
        >>> print(len(tagged), "image,", tagged.skipped, "left out")
        1 image, 1 left out
    """
    check_keywords("open_dataset", tag_options, _keywords())
    chosen = None if format == "auto" else FORMATS.get(format, parameter="format")
    reader: DatasetFormat | None
    if isinstance(path, Mapping | DataFrame):
        root, reader = _in_memory(path, format)
    else:
        root, reader = expand_user(path), None
        check_exists(root, "dataset")
    folder = None if images is None else expand_user(images)
    if folder is not None and not folder.is_dir():
        kind = DatasetOptionError if folder.exists() else MissingDatasetError
        reason = "which is not a folder" if broken_link(folder) is None else "a link that leads nowhere"
        raise kind(
            f"images is {folder}, {reason}: specify the folder that contains the images",
            path=folder,
            parameter="images",
        )
    options = OpenOptions(
        split=split,
        classes=None if classes is None else check_class_names(classes),
        boxes=boxes,
        images=folder,
        skip_bad=skip_bad,
        checks=checks or DatasetChecks(),
        tags=read_rules(tag_options),
    )
    if reader is None:
        reader = detect_format(root) if chosen is None else chosen()
    if options.checks.minus_one is not None and not reader.reads_minus_one:
        raise minus_one_error(root)
    if options.checks.ancestors and not reader.reads_ancestors:
        raise ancestors_error(root)
    dataset = reader.open(root, options)
    if dataset.tags is None and not options.tags.is_default:
        raise ConfigurationError(
            f"the format of {root} does not use DatasetBuilder, which applies aliases, fold_case, min_images and "
            "untagged: omit them",
            parameter=next(iter(tag_options)),
        )
    return dataset


def _in_memory(data: TagsInMemory, format_: str) -> tuple[Path, DatasetFormat]:
    """Return the name of tags in memory, in place of a path, and their reader."""
    from freeloc.datasets.tags.in_memory import source_name
    from freeloc.datasets.tags.reader import InMemoryFormat

    if format_ not in ("auto", "tags"):
        raise ConfigurationError(
            f"format is {format_!r}, but tags in memory are a tag list: omit it", parameter="format"
        )
    return Path(source_name(data)), InMemoryFormat(data)


def _keywords() -> list[str]:
    named = [
        name for name in inspect.signature(open_dataset).parameters if name not in ("path", "tag_options")
    ]
    return [*named, *TagOptions.__annotations__]

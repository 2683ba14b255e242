"""The one door to every data set: find out what lies at a path, and open it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from freeloc.datasets.builder import OpenOptions
from freeloc.datasets.coco import reader as coco
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.tags import reader as taglists
from freeloc.datasets.voc import reader as voc
from freeloc.errors import FreelocError
from freeloc.io.text import is_text

__all__ = ["DataFormat", "open_dataset"]

DataFormat = Literal["auto", "voc", "coco", "tags"]
"""How a data set is laid out; "auto" looks."""

_OPENERS = {"voc": voc.open_voc, "coco": coco.open_coco, "tags": taglists.open_tags}


def open_dataset(
    path: str | os.PathLike[str],
    *,
    split: str | None = None,
    format: DataFormat = "auto",  # noqa: A002 - the word of the command line
    classes: Sequence[str] | None = None,
    boxes: bool = False,
    skip_bad: bool = False,
    verify: bool = True,
    images: str | os.PathLike[str] | None = None,
    for_training: bool = False,
    quiet: bool = False,
) -> Dataset:
    """Open a data set: a VOC devkit, COCO instances, or a tag list.

    Everything that is wrong in it is found now, before any long work, and reported together.

    Args:
        path: the folder or file; `docs/data.md` shows every layout.
        split: a list of a VOC devkit ("train"), an instances file of a COCO folder ("val2017" or "val"), or
            a part of a tag list. None takes everything a tag list holds, and the only split of the others.
        format: "voc", "coco", "tags", or "auto" to look at the path.
        classes: class names in the order wanted, compared exactly after stripping white space. None takes
            them from the data set; every split of it gives the same classes in the same order. Other classes
            of a VOC devkit, of a COCO file or of a CSV file with one column for each class are left out; in
            other tag lists, a tag that is not among them is a problem.
        boxes: whether to read boxes, for evaluation. Without it no box is looked at, whatever state it is
            in. Tag lists have no boxes: their samples keep None.
        skip_bad: go on without images that have a problem; ``Dataset.skipped`` counts them and the log
            names them. A problem that is not about one image still stops.
        verify: decode every image once, so that what cannot be decoded is found now. A JPEG file of 500 ×
            375 pixels takes 1 to 2 ms, for it is decoded at an eighth of its size; a PNG file takes some 5 ms.
            Without it images only have to exist.
        images: folder of the images, where it is not the usual one. In a tag list, file names are
            relative to it.
        for_training: whether a class that no image shows, or that every image shows, is a problem, as
            it is for training.
        quiet: show no progress where so many images are decoded that it takes a while.

    Returns:
        The samples in the order of the list, or sorted where folders are the list; labels are +1 present,
        −1 absent and 0 ignore; boxes are in pixels of the upright image.

    Raises:
        DataProblems: something is wrong in the data; names every problem with file and line.
        FreelocError: there is no data set here, or an option does not fit it.

    Example:
        ::

            train = open_dataset("VOCdevkit/VOC2012", split="train", for_training=True)
            val = open_dataset("coco", split="val2017", boxes=True)
            mine = open_dataset("holiday/tags.csv", classes=["dog", "beach"], skip_bad=True)
            print(len(mine), "images,", mine.skipped, "left out")
    """
    place = Path(path).expanduser()
    if format not in get_args(DataFormat):
        raise FreelocError(f"--format {format!r} is not known: give one of {', '.join(get_args(DataFormat))}")
    if not place.exists():
        raise FreelocError(f"there is no file or folder {place}: give the path of a data set")
    folder = None if images is None else Path(images).expanduser()
    if folder is not None and not folder.is_dir():
        raise FreelocError(f"--images {folder} is no folder: give the folder of the images")
    options = OpenOptions(
        split=split,
        classes=_checked_classes(classes),
        boxes=boxes,
        skip_bad=skip_bad,
        verify=verify,
        images=folder,
        for_training=for_training,
        quiet=quiet,
    )
    return _OPENERS[_recognise(place) if format == "auto" else format](place, options)


def _checked_classes(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    if classes is None:
        return None
    if isinstance(classes, str):
        raise FreelocError(f"--classes is the one string {classes!r}: give a sequence of class names")
    names = tuple(name.strip() for name in classes)
    if not all(names):
        raise FreelocError("--classes has an empty name: give every class a name")
    if strange := next((name for name in names if not is_text(name)), ""):
        raise FreelocError(f"--classes has {strange!r}, which is no text: give every class a name in UTF-8")
    if not names:
        raise FreelocError("--classes is empty: give at least one class name")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise FreelocError(f"--classes has {repeated[0]!r} more than once: give every class once")
    return names


def _recognise(path: Path) -> str:
    found = [
        name
        for name, fits in (("voc", voc.is_voc), ("coco", coco.is_coco), ("tags", taglists.is_tag_file))
        if fits(path)
    ]
    if len(found) > 1:
        raise FreelocError(f"{path} could be {' or '.join(found)}: say which with --format")
    if found:
        return found[0]
    # Folders of images prove little: VOC and COCO have some too, so they are asked about last.
    if taglists.is_tag_folder(path):
        return "tags"
    looked_for = f"{voc.LOOKED_FOR}; {coco.LOOKED_FOR}; {taglists.LOOKED_FOR}"
    raise FreelocError(f"{path} is no data set that freeloc knows; looked for {looked_for}")

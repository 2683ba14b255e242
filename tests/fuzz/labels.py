"""Fuzz datasets: devkits, COCO files, tag lists, folders, keywords, text files and the files of label tools."""

from __future__ import annotations

import dataclasses
import math
import pickle
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from freeloc.datasets import (
    ABSENT,
    FORMATS,
    IGNORE,
    PRESENT,
    DataProblems,
    Dataset,
    DatasetChecks,
    category_ids,
    open_dataset,
)
from freeloc.datasets.coco.reader import CocoFormat
from freeloc.datasets.dataset import check_informative
from freeloc.errors import DatasetError, FreelocError
from freeloc.images.find import find_images
from tests.fuzz.commands import run_command
from tests.fuzz.label_seeds import SEEDS as LABEL_SEEDS
from tests.fuzz.label_seeds import draw_classes
from tests.fuzz.mutations import ODD_TEXTS, count_changes
from tests.fuzz.target import Target, require
from tests.fuzz.tool_seeds import SEEDS as TOOL_SEEDS
from tests.fuzz.trees import change_tree, write_tree

__all__ = ["Labels", "check_dataset", "draw_options"]

SEEDS = LABEL_SEEDS | TOOL_SEEDS

_SUFFIXES = {".csv", ".jsonl", ".json", ".xml", ".parquet"}
_SPLITS = ("train", "val", "test", "trainval", "train2017", "val2017")


class Labels(Target):
    """Datasets of all formats, opened with all combinations of options."""

    def make(self, rng: Random, folder: Path) -> None:
        """Write a dataset with some changes."""
        kind = rng.choice(sorted(SEEDS))
        tree = SEEDS[kind](rng, count_changes(rng))
        if rng.random() < 0.3:
            change_tree(rng, tree, 1 + rng.randrange(2))
        write_tree(rng, tree, folder / "data")

    def use(self, rng: Random, folder: Path) -> None:
        """Open the dataset, or one of its files, and read everything in it."""
        path = _draw_path(rng, folder / "data")
        if rng.random() < 0.1:
            with suppress(FreelocError):
                find_images([folder / "data"])
            run_command("check", path, "--quiet", *rng.choice(((), ("--skip-bad",))))
            return
        options = draw_options(rng, path)
        try:
            data = open_dataset(path, **options)
        except DataProblems as error:
            require(error.problems, "the report has no problems")
            require(
                not options["skip_bad"] or error.fatal,
                "images with problems were to be left out, but none is fatal",
            )
            raise
        check_dataset(data, options)
        if not options["skip_bad"] and rng.random() < 0.5:
            _check_without_boxes(data, path, options)
        if options["format"] in ("auto", "coco") and CocoFormat().detect(path):
            category_ids(path, options["split"])
        check_informative(data, "fuzzing")


def _check_without_boxes(data: Dataset, path: Path, options: dict[str, Any]) -> None:
    """Open a dataset again without boxes and without decoding, which must not change the labels."""
    checks = dataclasses.replace(options["checks"], decode=False)
    again = open_dataset(path, **{**options, "boxes": False, "checks": checks})
    require(again.classes == data.classes, "the classes depend on the checks")
    same = [sample.path for sample in again] == [sample.path for sample in data]
    require(same and np.array_equal(again.labels, data.labels), "images or labels depend on the checks")


def _draw_path(rng: Random, folder: Path) -> Path:
    """Return the folder of the dataset or one of its lists; seldom a folder within it."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    # A COCO file that is not in the usual place can only be opened by its name.
    lists = [path for path in files if path.suffix == ".json"]
    needs_file = len(lists) == 1 and not lists[0].match("annotations/instances_*")
    draw = rng.random()
    if files and draw < (0.9 if needs_file else 0.25):
        return rng.choice(files)
    return rng.choice(folders) if folders and draw > 0.97 else folder


def draw_options(rng: Random, path: Path) -> dict[str, Any]:
    """Return arguments for `open_dataset`, mostly the defaults."""
    checks = DatasetChecks(
        decode=rng.random() < 0.8,
        for_training=rng.random() < 0.2,
        quiet=True,
        rescale_boxes=rng.random() < 0.5,
        minus_one=rng.choice(("absent", "unknown")) if rng.random() < 0.03 else None,
        ancestors=rng.random() < 0.05,
    )
    odd_class = rng.sample(ODD_TEXTS, rng.choice((0, 0, 0, 1)))
    return {
        "split": _draw_split(rng, path),
        "format": rng.choice(FORMATS.names()) if rng.random() < 0.05 else "auto",
        "classes": [*draw_classes(rng), *odd_class] if rng.random() < 0.15 else None,
        "boxes": rng.random() < 0.5,
        "images": rng.choice((path, path.parent)) if rng.random() < 0.05 and path.parent.is_dir() else None,
        "skip_bad": rng.random() < 0.6,
        "checks": checks,
        **_draw_tag_options(rng),
    }


def _draw_tag_options(rng: Random) -> dict[str, Any]:
    """Return the options that say how tags become classes, mostly none."""
    options: dict[str, Any] = {}
    if rng.random() < 0.1:
        one, *others = [*draw_classes(rng), *rng.sample(ODD_TEXTS, 2)]
        options["aliases"] = {one: others[::2], "": others[1::2]}
    if rng.random() < 0.1:
        options["fold_case"] = True
    if rng.random() < 0.1:
        options["min_images"] = rng.randrange(4)
    if rng.random() < 0.1:
        options["untagged"] = "unknown"
    return options


def _draw_split(rng: Random, path: Path) -> str | None:
    """Return one of the splits of a dataset that has some, or of all names; None for most others."""
    lists = sorted(list_.stem for list_ in path.rglob("ImageSets/Main/*.txt") if "_" not in list_.stem)
    if lists and rng.random() < 0.8:
        return rng.choice(lists)
    draw = rng.random()
    if draw < 0.02:
        return rng.choice(ODD_TEXTS)
    return rng.choice(_SPLITS) if draw < (0.08 if path.is_file() else 0.15) else None


def check_dataset(data: Dataset, options: dict[str, Any]) -> None:
    """Read everything in a dataset, and check what `open_dataset` promises."""
    require(len(set(data.classes)) == len(data.classes) > 0, "classes are missing or repeated")
    require(data.labels.shape == (len(data), len(data.classes)), "the labels have the wrong shape")
    require(np.isin(data.labels, (PRESENT, ABSENT, IGNORE)).all(), "a label is not −1, 0 or 1")
    if options["classes"] is not None:
        require(len(data.classes) <= len(options["classes"]), "there are more classes than chosen")
    if not options["boxes"]:
        require(all(sample.boxes is None for sample in data), "boxes were read although boxes=False")
    data.check_box_labels()
    for sample in data:
        require(
            not options["checks"].decode or sample.size is not None, f"the size of {sample.path} is unknown"
        )
        for box in sample.boxes or ():
            require(all(map(math.isfinite, box.corners)), "a box is not finite")
            if sample.size is not None:
                # A box without width or height may lie on the border of its image.
                inside = (
                    (box.x1 < sample.size.width or box.x1 == box.x2 == sample.size.width)
                    and (box.y1 < sample.size.height or box.y1 == box.y2 == sample.size.height)
                    and (box.x2 > 0 or box.x1 == box.x2 == 0)
                    and (box.y2 > 0 or box.y1 == box.y2 == 0)
                )
                require(inside, f"{box} of {sample.path} is outside its image of {sample.size}")
    copy = pickle.loads(pickle.dumps(data))
    require(copy.fingerprint == data.fingerprint, "the fingerprint changes when the dataset is pickled")
    if len(data) == 0:
        raise DatasetError("all images were left out")
    infos = data.image_info()
    data.content_fingerprint(infos)
    data.unchanged_images(infos)
    sizes = data.image_sizes()
    require(sizes == tuple(info.size for info in infos), "two readings of the image sizes differ")
    require(data.evenly_spaced(3)[0] == 0, "the first of evenly spaced samples is not the first")

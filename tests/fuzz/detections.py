"""Fuzz the results of detectors: COCO results and VOC results files."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from freeloc.datasets import DatasetChecks, open_dataset
from freeloc.datasets.detections import read_detections
from tests.fuzz.label_seeds import coco_document
from tests.fuzz.mutations import change_json, change_lines, count_changes, to_json
from tests.fuzz.target import Target, require
from tests.fuzz.trees import Tree, change_tree, encode_text, picture, write_tree

__all__ = ["ResultFiles"]

_CLASSES = ["cat", "dog", "person"]


class ResultFiles(Target):
    """Results of detectors for a sound COCO dataset."""

    def make(self, rng: Random, folder: Path) -> None:
        """Write a dataset and results with some changes."""
        names = [f"{number:06d}.jpg" for number in range(4)]
        data: Tree = {f"images/{name}": picture(".jpg", rng.choice((1, 6))) for name in names}
        document = coco_document(rng, names, _CLASSES)
        data["instances.json"] = to_json(Random(0), document)
        results: Tree = {}
        if rng.random() < 0.6:
            rows = _coco_rows(rng, document)
            results["results.json"] = to_json(rng, change_json(rng, rows, count_changes(rng)))
        else:
            for name in _CLASSES:
                text = "".join(
                    f"{image.partition('.')[0]} {rng.random():.6f} {rng.randrange(1, 15)} {rng.randrange(1, 15)} "
                    f"{rng.randrange(15, 30)} {rng.randrange(15, 30)}\n"
                    for image in names
                )
                text = change_lines(rng, text, count_changes(rng) // 2)
                results[f"comp3_det_val_{name}.txt"] = encode_text(rng, text)
        if rng.random() < 0.15:
            change_tree(rng, results, 1)
        write_tree(Random(0), data, folder / "data")
        write_tree(rng, results, folder / "results")
        (folder / "results").mkdir(exist_ok=True)

    def use(self, rng: Random, folder: Path) -> None:
        """Read the results with and without the ids of the dataset's file."""
        root = folder / "data" / "instances.json"
        checks = DatasetChecks(quiet=True, decode=rng.random() < 0.5)
        data = open_dataset(root, boxes=rng.random() < 0.8, checks=checks, skip_bad=True)
        files = sorted((folder / "results").iterdir())
        is_json = bool(files) and files[0].suffix == ".json"
        path = files[0] if files and (is_json or rng.random() < 0.3) else folder / "results"
        found = read_detections(path, data, data=root if rng.random() < 0.7 else None)
        for name in ("score", "boxes"):
            require(np.isfinite(getattr(found, name)).all(), f"the values of {name} are not finite")
        for name, count in (("image", len(data)), ("label", len(data.classes))):
            values = getattr(found, name)
            require(((values >= 0) & (values < count)).all(), f"the values of {name} are not indices")


def _coco_rows(rng: Random, document: dict[str, Any]) -> list[dict[str, Any]]:
    shift = rng.choice((0, 0, 0, 1, -1))
    return [
        {
            "image_id": item["image_id"],
            "category_id": item["category_id"] + shift,
            "bbox": item["bbox"],
            "score": rng.random(),
        }
        for item in document["annotations"]
        for _ in range(rng.randrange(1, 3))
    ]

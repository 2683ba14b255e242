"""Compare freeloc's own recipe with the paper's on few tagged images: N images per class.

`python -m recipes.few_images --root VOCdevkit/VOC2012 --out runs/few` draws images by their tags until every
class is present in N of them, trains only on these, and evaluates the models on all validation images.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from freeloc import DatasetChecks, open_dataset
from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.io.atomic import write_text
from freeloc.io.progress import print_status
from freeloc.paper.measured_rows import row_as_json
from freeloc.paper.reproduce import Reproduction
from freeloc.paper.row_plans import select_rows
from freeloc.paper.settings import ReproductionSettings
from freeloc.paper.studies import find_study
from recipes.markdown import markdown_table

IMAGES_PER_CLASS = (5, 10, 50, 200)

ROWS = ("full", "weak", "own")
"""Training on full images without a search for objects, the paper's recipe, and freeloc's own recipe."""


def draw_subset(dataset: Dataset, per_class: int, seed: int) -> Dataset:
    """Draw images at random until every class is present in ``per_class`` of them, if enough contain it.

    Images are drawn for the rarest class first. They often contain common classes too, for which fewer additional
    images then have to be drawn.
    """
    present = dataset.labels == PRESENT
    order = np.random.default_rng(seed).permutation(len(dataset))
    drawn = np.zeros(len(dataset), np.bool_)
    for label in np.argsort(present.sum(axis=0), kind="stable"):
        missing = max(0, per_class - int(present[drawn, label].sum()))
        drawn[[index for index in order if present[index, label] and not drawn[index]][:missing]] = True
    samples = tuple(sample for sample, chosen in zip(dataset.samples, drawn, strict=True) if chosen)
    return replace(dataset, samples=samples, name=f"{dataset.name}, {per_class} per class")


def main() -> None:
    """Draw a subset for each number of images per class, train on it and evaluate, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="Pascal VOC devkit")
    parser.add_argument("--train-split", default="train", help="split to draw images from")
    parser.add_argument("--val-split", default="val", help="split to evaluate on")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/few"), help="output folder for runs and results"
    )
    parser.add_argument("--cache", type=Path, help="folder for the feature cache")
    parser.add_argument(
        "--per-class", type=int, nargs="+", default=IMAGES_PER_CLASS, help="numbers of images per class"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed for drawing images and for training")
    arguments = parser.parse_args()
    train_set = open_dataset(
        arguments.root, split=arguments.train_split, boxes=False, checks=DatasetChecks(for_training=True)
    )
    val_set = open_dataset(arguments.root, split=arguments.val_split, boxes=True)
    settings = ReproductionSettings(cache=arguments.cache, seed=arguments.seed)
    results: dict[str, Any] = {}
    for per_class in arguments.per_class:
        subset = draw_subset(train_set, per_class, arguments.seed)
        out = arguments.out / str(per_class)
        study = Reproduction(find_study("voc2012"), subset, val_set, out, settings)
        rows = study.run(select_rows(ROWS)).rows
        results[str(per_class)] = {
            "images": len(subset),
            "rows": {row.plan.key: row_as_json(row, val_set.classes) for row in rows},
        }
    write_text(arguments.out / "results.json", json.dumps(results, indent=1) + "\n")
    print_status(_table(results))
    print_status(f"wrote {arguments.out / 'results.json'}")


def _table(results: dict[str, Any]) -> str:
    """Return a Markdown table: for each number of images, the classification and location mAP of each row."""
    lines = []
    for per_class, subset in results.items():
        cells = [
            " / ".join(f"{measures[key]['mean']['value']:.1f}" for key in ("classification", "location"))
            for measures in (subset["rows"][key]["measures"] for key in ROWS)
        ]
        lines.append([per_class, str(subset["images"]), *cells])
    return markdown_table(["per class", "images", *ROWS], lines)


if __name__ == "__main__":
    main()

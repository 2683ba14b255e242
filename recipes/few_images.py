"""How many tagged images it takes: freeloc's own recipe beside the paper's, at a few images a class.

`python -m recipes.few_images --root VOCdevkit/VOC2012 --out runs/few` draws images by their tags until
every class has so many, trains on them alone, and measures on all of the validation images.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.markdown import table
from freeloc import DatasetChecks, open_dataset
from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.io.atomic import write_text
from freeloc.io.progress import print_status
from freeloc.paper.measured_rows import row_as_json
from freeloc.paper.reproduce import Reproduction
from freeloc.paper.row_plans import select_rows
from freeloc.paper.settings import ReproductionSettings
from freeloc.paper.studies import find_study

SHOTS = (5, 10, 50, 200)
"""Images of every class."""

ROWS = ("full", "weak", "own")
"""Full images without a search, the paper's recipe, and freeloc's own."""


def drawn(dataset: Dataset, shots: int, seed: int) -> Dataset:
    """Images at random until every class is in ``shots`` of them, or in all that show it.

    The rarest class comes first, so that a common one, which comes along with others, is not drawn twice over.
    """
    shown = dataset.labels == PRESENT
    order = np.random.default_rng(seed).permutation(len(dataset))
    taken = np.zeros(len(dataset), np.bool_)
    for label in np.argsort(shown.sum(axis=0), kind="stable"):
        wanting = max(0, shots - int(shown[taken, label].sum()))
        taken[[index for index in order if shown[index, label] and not taken[index]][:wanting]] = True
    chosen = tuple(sample for sample, kept in zip(dataset.samples, taken, strict=True) if kept)
    return replace(dataset, samples=chosen, name=f"{dataset.name}, {shots} a class")


def main() -> None:
    """Draw, train, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="Pascal VOC devkit")
    parser.add_argument("--train-split", default="train", help="images to draw from")
    parser.add_argument("--val-split", default="val", help="images to measure on")
    parser.add_argument("--out", type=Path, default=Path("runs/few"), help="folder of the runs and numbers")
    parser.add_argument("--cache", type=Path, help="folder of feature caches")
    parser.add_argument("--shots", type=int, nargs="+", default=SHOTS, help="images of every class")
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of training")
    words = parser.parse_args()
    images = open_dataset(
        words.root, split=words.train_split, boxes=False, checks=DatasetChecks(for_training=True)
    )
    val = open_dataset(words.root, split=words.val_split, boxes=True)
    settings = ReproductionSettings(cache=words.cache, seed=words.seed)
    found: dict[str, Any] = {}
    for shots in words.shots:
        part = drawn(images, shots, words.seed)
        study = Reproduction(find_study("voc2012"), part, val, words.out / str(shots), settings)
        rows = study.run(select_rows(ROWS)).rows
        found[str(shots)] = {
            "images": len(part),
            "rows": {row.plan.key: row_as_json(row, val.classes) for row in rows},
        }
    write_text(words.out / "results.json", json.dumps(found, indent=1) + "\n")
    print_status(_table(found))
    print_status(f"wrote {words.out / 'results.json'}")


def _table(found: dict[str, Any]) -> str:
    """Classification and location mAP of every row at every number of images, as Markdown."""
    lines = []
    for shots, part in found.items():
        cells = [
            " / ".join(f"{measures[key]['mean']['value']:.1f}" for key in ("classification", "location"))
            for measures in (part["rows"][key]["measures"] for key in ROWS)
        ]
        lines.append([shots, str(part["images"]), *cells])
    return table(["a class", "images", *ROWS], lines)


if __name__ == "__main__":
    main()

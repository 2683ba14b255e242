"""How the model voc20 is made: `make voc20 VOC=VOCdevkit/VOC2012`.

Tags alone: no box is read in training, in calibration or in choosing a level for boxes. The validation images
are measured at the end, and nothing is fitted to them. docs/voc20.md tells what was tried, and what it gave.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from freeloc import (
    DatasetChecks,
    ModelCard,
    TrainingSettings,
    collect,
    evaluate,
    open_dataset,
    release,
    train,
)
from freeloc.inference.localizer import Localizer
from freeloc.io.atomic import write_text
from freeloc.io.progress import print_status
from freeloc.models.registry import pretrained_folder
from freeloc.training.recipe import Recipe
from recipes.voc20_card import write_card

RECIPE = "default"
"""The recipe of every ``freeloc train``: what is best for the model that ships is best for people's own tags."""

FOLDS = 5
"""Heads that calibrate it, each blind to a fifth of the images."""

CARD = ModelCard(
    name="voc20",
    version="1",
    description="Everyday things: the 20 classes of Pascal VOC, from the tags of its images alone.",
    data_licence="Pascal VOC: images from Flickr, under the terms of use that the devkit names",
)


def main() -> None:
    """Train, calibrate, write the model into the package, and measure it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="Pascal VOC devkit")
    parser.add_argument("--train-split", default="train", help="images to train on")
    parser.add_argument("--val-split", default="val", help="images to measure on")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/voc20"), help="folder of the run and its numbers"
    )
    parser.add_argument("--cache", type=Path, help="folder of feature caches")
    parser.add_argument("--model", type=Path, help="file to write; default: the package's own")
    parser.add_argument(
        "--card", type=Path, help="folder of the model card whose numbers are written anew: docs"
    )
    words = parser.parse_args()
    model = words.model
    if model is None:
        shipped = pretrained_folder()
        if shipped is None:
            parser.error("freeloc is not installed as files: give --model FILE")
        model = shipped / "voc20.safetensors"

    tags = open_dataset(
        words.root, split=words.train_split, boxes=False, checks=DatasetChecks(for_training=True)
    )
    settings = TrainingSettings(
        recipe=Recipe.named(RECIPE), calibration_folds=FOLDS, cache_folder=words.cache
    )
    train(tags, words.out / "run", settings, resume=True)
    release(words.out / "run", model, CARD)
    print_status(f"wrote {model}: {model.stat().st_size / 1e6:.1f} MB")

    images = open_dataset(words.root, split=words.val_split, boxes=True)
    found = evaluate([collect(Localizer.load(model), images, "voc20")], images)
    write_text(words.out / "results.json", json.dumps(found.as_json(), indent=1) + "\n")
    for row in found.rows:
        values = ", ".join(f"{key} {100 * result.mean.estimate:.1f}" for key, result in row.measures.items())
        print_status(f"{row.name}: {values}")
    print_status(f"wrote {words.out / 'results.json'}")
    if words.card is not None:
        for path in write_card(found, words.card):
            print_status(f"wrote {path}")


if __name__ == "__main__":
    main()

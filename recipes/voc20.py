"""Train the pretrained model voc20: `make voc20 VOC=VOCdevkit/VOC2012`.

The model is trained on tags alone: training, calibration, the choice of the box threshold and the int8 network
read no boxes. This script uses the validation images only for the final evaluation. docs/voc20.md describes all
experiments and their results.
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
    quantize,
    release,
    train,
)
from freeloc.datasets import Dataset
from freeloc.evaluation.evaluate import Evaluation
from freeloc.inference.localizer import Localizer
from freeloc.io.atomic import write_text
from freeloc.io.progress import print_status
from freeloc.models.registry import pretrained_folder
from freeloc.runtime import InferencePrecision
from freeloc.training.recipe import Recipe
from recipes.voc20_card import write_card

RECIPE = "default"
"""The default recipe of ``freeloc train``, so that users can expect similar results on their own images."""

PRECISIONS: tuple[InferencePrecision, ...] = ("float32", "int8")
"""Precisions of the evaluation, of which the second shows what the int8 network costs."""

FOLDS = 5
"""Number of folds for calibration: five heads, each trained on four fifths of the images."""

CARD = ModelCard(
    name="voc20",
    version="1",
    description="Everyday things: the 20 classes of Pascal VOC, from the tags of its images alone.",
    data_licence="Pascal VOC: images from Flickr, under the terms of use that the devkit names",
)


def main() -> None:
    """Train and calibrate the model, write it into the package, and evaluate it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="Pascal VOC devkit")
    parser.add_argument("--train-split", default="train", help="split to train on")
    parser.add_argument("--val-split", default="val", help="split to evaluate on")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/voc20"), help="output folder for the run and the results"
    )
    parser.add_argument("--cache", type=Path, help="folder for the feature cache")
    parser.add_argument("--model", type=Path, help="model file to write (default: in the freeloc package)")
    parser.add_argument("--card", type=Path, help="folder with the model card to update (docs)")
    arguments = parser.parse_args()
    model = arguments.model
    if model is None:
        folder = pretrained_folder()
        if folder is None:
            parser.error("freeloc is not installed in a regular folder: specify the model file with --model")
        model = folder / "voc20.safetensors"

    train_set = open_dataset(
        arguments.root, split=arguments.train_split, boxes=False, checks=DatasetChecks(for_training=True)
    )
    settings = TrainingSettings(
        recipe=Recipe.named(RECIPE), calibration_folds=FOLDS, cache_folder=arguments.cache, report=False
    )
    train(train_set, arguments.out / "run", settings, resume=True)
    release(arguments.out / "run", model, CARD)
    quantize(model, [sample.path for sample in train_set], out=model)
    print_status(f"wrote {model}: {model.stat().st_size / 1e6:.1f} MB")

    val_set = open_dataset(arguments.root, split=arguments.val_split, boxes=True)
    evaluations = evaluate_precisions(model, val_set)
    results = {precision: evaluation.to_dict() for precision, evaluation in evaluations.items()}
    write_text(arguments.out / "results.json", json.dumps(results, indent=1) + "\n")
    for evaluation in evaluations.values():
        for row in evaluation.rows:
            values = ", ".join(
                f"{key} {100 * result.mean.estimate:.1f}" for key, result in row.measures.items()
            )
            print_status(f"{row.name}: {values}")
    print_status(f"wrote {arguments.out / 'results.json'}")
    if arguments.card is not None:
        # The card states the numbers of the float network, so that it is the same on every processor.
        for path in write_card(evaluations["float32"], arguments.card):
            print_status(f"wrote {path}")


def evaluate_precisions(model: Path, dataset: Dataset) -> dict[str, Evaluation]:
    """Evaluate a model in each of `PRECISIONS`.

    Returns:
        The evaluations by precision; without int8 on a processor on which int8 networks are inaccurate.
    """
    evaluations: dict[str, Evaluation] = {}
    for precision in PRECISIONS:
        localizer = Localizer.load(model, runtime="openvino", precision=precision)
        computed = localizer.prepare(many=True).precision
        if computed != precision:
            print_status(
                f"not evaluated in {precision}: this processor computes the model in {computed} instead"
            )
            continue
        name = "voc20" if precision == "float32" else f"voc20, {precision}"
        evaluations[precision] = evaluate([collect(localizer, dataset, name)], dataset)
    return evaluations


if __name__ == "__main__":
    main()

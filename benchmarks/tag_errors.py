"""Accuracy of models whose training images lack tags or have wrong ones.

    python -m benchmarks.tag_errors --data DATA --missing 0.4 --by-size

Some images of a dataset are drawn for training, and others for measurement. A fraction of the training images'
tags is removed, of small objects more often with ``--by-size``, or wrong tags are added. Models are trained with
each policy for missing tags, and measured on the other images with all tags, at the scale of the preset "fast".

Each line of the table is a training: the fractions, the seed, the policy, classification mAP and location mAP.
Boxes of training images decide only which tags are removed with ``--by-size``; training does not see them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np

from benchmarks.workload import positive, run
from freeloc._literals import MissingTags
from freeloc._typing import Float64Array
from freeloc.datasets import ABSENT, PRESENT, Dataset, DatasetChecks, open_dataset
from freeloc.datasets.dataset import Labels
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.evaluation.collect import collect
from freeloc.inference.localizer import Localizer
from freeloc.metrics import classification_ap, location_ap
from freeloc.training.train import train

__all__ = ["add_wrong_tags", "largest_areas", "main", "remove_tags"]


def largest_areas(dataset: Dataset) -> Float64Array:
    """Return the (N, K) areas of the largest boxes of each class; 0 without a box."""
    truth = ground_truth_of(dataset)
    areas = np.zeros(dataset.labels.shape)
    sizes = np.array([(size.width, size.height) for size in dataset.image_sizes()], np.float64)
    extent = (truth.boxes[:, 2:] - truth.boxes[:, :2]) / sizes[truth.image]
    np.maximum.at(areas, (truth.image, truth.label), extent.prod(axis=1))
    return areas


def remove_tags(
    labels: Labels, fraction: float, generator: np.random.Generator, areas: Float64Array | None = None
) -> Labels:
    """Return labels of which a fraction of the present classes is absent.

    Args:
        labels: (N, K) labels.
        fraction: expected fraction of the tags that are removed.
        generator: source of the random choice.
        areas: (N, K) areas of objects. The probability that a tag is removed falls from 1 for the smallest object
            to 0 for the largest. None gives all tags the same probability.
    """
    changed = labels.copy()
    present = np.argwhere(labels == PRESENT)
    probability = np.full(len(present), fraction)
    if areas is not None and fraction > 0:
        order = areas[present[:, 0], present[:, 1]].argsort(kind="stable").argsort(kind="stable")
        rank = (order + 0.5) / len(present)
        probability = (1 - rank) ** (
            1 / fraction - 1
        )  # the mean of this power of uniform ranks is the fraction
    removed = present[generator.random(len(present)) < probability]
    changed[removed[:, 0], removed[:, 1]] = ABSENT
    return changed


def add_wrong_tags(labels: Labels, fraction: float, generator: np.random.Generator) -> Labels:
    """Return labels with wrong tags, as many as a fraction of the right ones.

    Their classes are as frequent as the right tags' are, and their images are drawn from those without the class.

    Args:
        labels: (N, K) labels.
        fraction: number of wrong tags per right tag.
        generator: source of the random choice.
    """
    changed = labels.copy()
    positives = (labels == PRESENT).sum(axis=0)
    for label, count in enumerate(positives.tolist()):
        absent = np.flatnonzero(labels[:, label] == ABSENT)
        drawn = generator.permutation(absent)[: round(fraction * count)]
        changed[drawn, label] = PRESENT
    return changed


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table in Markdown."""
    chosen = _parser().parse_args(arguments)
    dataset = open_dataset(chosen.data, split=chosen.split, boxes=True, checks=DatasetChecks(quiet=True))
    permuted = np.random.default_rng(1).permutation(len(dataset)).tolist()
    counts = chosen.images, chosen.held_out
    training, held_out = (
        replace(dataset, samples=tuple(dataset.samples[index] for index in sorted(part)))
        for part in (permuted[: counts[0]], permuted[counts[0] : sum(counts)])
    )
    areas = largest_areas(training) if chosen.by_size else None
    print("| missing | wrong | seed | policy | classification mAP | location mAP |")
    print("|---|---|---|---|---|---|")
    for seed in range(chosen.seeds):
        generator = np.random.default_rng(100 + seed)
        left = remove_tags(training.labels, chosen.missing, generator, areas)
        wrong = add_wrong_tags(training.labels, chosen.wrong, generator)
        labels = np.where(training.labels == PRESENT, left, wrong)
        for policy in chosen.policies:
            with TemporaryDirectory() as folder:
                model = Path(folder) / "run"
                train(
                    training.with_labels(labels),
                    model,
                    seed=seed,
                    epochs=chosen.epochs,
                    missing_tags=policy,
                    backbone=chosen.backbone,
                    cache_folder=chosen.cache,
                    report=False,
                    quiet=True,
                )
                found = _measure(model, held_out)
            cells = [f"{chosen.missing:.0%}", f"{chosen.wrong:.0%}", str(seed), policy]
            print(f"| {' | '.join(cells)} | {found[0]:.1f} | {found[1]:.1f} |", flush=True)


def _measure(model: Path, dataset: Dataset) -> tuple[float, float]:
    """Return classification and location mAP in percent."""
    predictions = collect(Localizer.load(model, preset="fast"), dataset, "model", quiet=True)
    truth = ground_truth_of(dataset)
    points = predictions.points["fused"]
    location = location_ap(points, predictions.sizes, truth, dataset.labels, predictions.scores)
    classification = classification_ap(predictions.scores, dataset.labels)
    return 100 * float(np.nanmean(classification)), 100 * location.mean


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tag_errors",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    policies: tuple[MissingTags, ...] = get_args(MissingTags)
    parser.add_argument("--data", type=Path, required=True, help="annotated dataset")
    parser.add_argument("--split", default="train", help="split of the dataset (default: train)")
    parser.add_argument("--images", type=positive, default=1600, help="training images (default: 1600)")
    parser.add_argument("--held-out", type=positive, default=500, help="images to measure on (default: 500)")
    parser.add_argument("--missing", type=float, default=0.0, help="fraction of tags to remove (default: 0)")
    parser.add_argument("--by-size", action="store_true", help="remove tags of small objects more often")
    parser.add_argument("--wrong", type=float, default=0.0, help="wrong tags per right one (default: 0)")
    parser.add_argument("--seeds", type=positive, default=1, help="number of repetitions (default: 1)")
    parser.add_argument("--policies", nargs="+", choices=policies, default=policies, help="default: all")
    parser.add_argument("--epochs", type=positive, default=10, help="epochs of training (default: 10)")
    parser.add_argument("--backbone", default="efficientnet_lite2", help="default: efficientnet_lite2")
    parser.add_argument("--cache", type=Path, help="folder of the feature caches (default: the user's)")
    return parser


if __name__ == "__main__":
    run(main)

"""Head training: an epoch from cached features, compared with a plain training loop on the same images.

    python -m benchmarks.head_training --data VOCdevkit/VOC2012 --split train

For every image of every mini-batch, the plain loop decodes and resizes the image, runs the backbone in torch
float32, its projection and the head on all cells, pools by the maximum, and backpropagates through the projection
and the head. It runs twice: with square padding as in the paper, and with freeloc's canvases, which omit most of
the padding. Each implementation takes one step for each of a few mini-batches, equally many at every training
scale; the time of an epoch is extrapolated. For comparison, the forward pass of the head is timed alone, which
freeloc's step includes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.machine import describe, usable_cores
from benchmarks.results import Section, save_section, spread_text, table, times_text
from benchmarks.timing import Task, interleaved
from benchmarks.workload import add_options, default_data, output_folder, positive, run
from freeloc.datasets import Dataset, open_dataset
from freeloc.features.arrays import Cells
from freeloc.features.extract import extract
from freeloc.features.sources import CachedFeatures, FeatureSource, cell_source
from freeloc.images.canvas import load_canvases
from freeloc.io.progress import print_status
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.backbones.trainable_stages import PROJECTION
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.losses import logistic_loss
from freeloc.runtime import Precision, bfloat16_is_faster, compile_network
from freeloc.training.batches import Batch, stream
from freeloc.training.optimizer import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep
from freeloc.training.warm_start import log_odds, measure_features, train_on_means

__all__ = [
    "CACHED",
    "CANVASES",
    "FORWARD",
    "SQUARE",
    "Trainable",
    "TrainingWorkload",
    "main",
    "measure_head_training",
    "open_training_workload",
    "render",
    "warm_started",
]

CACHED = "freeloc, cached features"
SQUARE = "plain loop, square padding"
CANVASES = "plain loop, freeloc's canvases"
FORWARD = "forward pass of the head alone"

_SEED = 0
_CPU = torch.device("cpu")
_STEPS_PER_SCALE, _ROUNDS = 1, 5


@dataclass(frozen=True, eq=False)
class Trainable:
    """The modules that the default recipe trains.

    Attributes:
        head: the adaptation layers.
        projection: a copy of the backbone's projection.
        weights: the trained weights of the projection, by their names in the backbone.
    """

    head: AdaptationHead
    projection: nn.Module
    weights: Mapping[str, nn.Parameter]


def warm_started(
    source: FeatureSource[Cells], dataset: Dataset, backbone: Backbone, recipe: Recipe
) -> Trainable:
    """Return head and projection after the recipe's warm start.

    With a random head, the same few cells score highest for all classes, and a sparse step is cheaper than
    any step of real training.

    Args:
        source: features of the images.
        dataset: the images.
        backbone: their backbone.
        recipe: recipe of the head.
    """
    settings = HeadSettings(
        backbone.width, len(dataset.classes), recipe.hidden, recipe.feature_dropout, recipe.hidden_dropout
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        head = AdaptationHead(settings, standardized=True)
    labels = torch.from_numpy(dataset.labels.copy())
    statistics = measure_features(source, backbone.projection, device=_CPU, quiet=True)
    head.set_standardization(statistics.mean, statistics.gain)
    with torch.no_grad():
        head.fcb.bias.copy_(log_odds(labels))
    train_on_means(head, statistics, labels, recipe, seed=_SEED)
    parts = backbone.split_at(PROJECTION)
    return Trainable(head, parts.projection, parts.trained)


@dataclass(frozen=True, eq=False)
class TrainingWorkload:
    """Mini-batches, and the cached features of their images.

    Attributes:
        dataset: the images.
        backbone: the frozen backbone.
        features: cached features of all images.
        batches: mini-batches, equally many at each scale.
        recipe: recipe of the head.
    """

    dataset: Dataset
    backbone: Backbone
    features: CachedFeatures
    batches: Sequence[Batch]
    recipe: Recipe

    def start(self) -> Trainable:
        """Return new modules after the warm start."""
        return warm_started(cell_source(self.features), self.dataset, self.backbone, self.recipe)

    def labels(self, batch: Batch) -> torch.Tensor:
        """Return the (N, K) labels of a mini-batch."""
        return torch.from_numpy(self.dataset.labels[list(batch.indices)])


def open_training_workload(
    dataset: Dataset, recipe: Recipe, *, backbone: str, precision: Precision, steps: int, cache: Path | None
) -> TrainingWorkload:
    """Draw the mini-batches, and cache the features of their images.

    Args:
        dataset: all images.
        recipe: recipe of the head.
        backbone: name of the backbone.
        precision: arithmetic of the cached features.
        steps: mini-batches at each scale.
        cache: folder of feature caches; None for the user's cache folder.
    """
    network_backbone = load_backbone(backbone)
    network = compile_network(network_backbone, runtime="openvino", precision=precision, streams=None)
    count = min(len(dataset), steps * len(recipe.scales) * recipe.batch_size)
    order = np.random.default_rng(_SEED).permutation(len(dataset))[:count]
    drawn = replace(dataset, samples=tuple(dataset.samples[index] for index in order))
    pyramid = recipe.pyramid
    features = extract(
        [sample.path for sample in drawn], network_backbone, network, pyramid, cache_folder=cache
    )
    batches = [
        Batch(
            tuple(range(start, min(start + recipe.batch_size, count))),
            recipe.scales[index % len(recipe.scales)],
        )
        for index, start in enumerate(range(0, count, recipe.batch_size))
    ]
    return TrainingWorkload(drawn, network_backbone, features, batches, recipe)


def measure_head_training(workload: TrainingWorkload, epoch: int, *, rounds: int) -> dict[str, Any]:
    """Time head training.

    Args:
        workload: mini-batches and features.
        epoch: images per epoch, to which the times of the mini-batches are extrapolated.
        rounds: number of rounds.

    Returns:
        A section of the results: seconds per epoch, freeloc's speedup, and the time of its step relative to
        the forward pass of the head.
    """
    torch.set_num_threads(usable_cores())
    use_bfloat16 = bfloat16_is_faster(_CPU.type)
    square, canvases, cached = workload.start(), workload.start(), workload.start()
    padded = replace(workload, recipe=replace(workload.recipe, padding="square"))
    step = HeadTrainStep(
        cached.projection, cached.head, workload.recipe, use_bfloat16=use_bfloat16, device=_CPU
    )
    tasks: dict[str, Task] = {
        SQUARE: lambda: _train_plainly(padded, square),
        CANVASES: lambda: _train_plainly(workload, canvases),
        CACHED: lambda: _train_from_cache(workload, cached, step),
        FORWARD: _forward(workload, step),
    }
    first = workload.batches[:1]
    warm_ups = {
        **tasks,
        SQUARE: lambda: _train_plainly(replace(padded, batches=first), square),
        CANVASES: lambda: _train_plainly(replace(workload, batches=first), canvases),
    }
    timings = interleaved(tasks, rounds=rounds, warm_ups=warm_ups)
    images = sum(len(batch.indices) for batch in workload.batches)
    return {
        "machine": describe(),
        "data": workload.dataset.name,
        "backbone": workload.backbone.name,
        "precision": "bfloat16" if use_bfloat16 else "float32",
        "images": epoch,
        "measured": {"images": images, "steps": len(workload.batches), "rounds": rounds},
        "seconds_per_epoch": timings.to_dict(epoch / images),
        "speedup": {name: timings.ratio(name, CACHED).to_dict() for name in (SQUARE, CANVASES)},
        "over_forward_pass": timings.ratio(CACHED, FORWARD).to_dict(),
    }


def _train_plainly(workload: TrainingWorkload, trainable: Trainable) -> None:
    """Take one step per mini-batch with the plain loop."""
    backbone, recipe = workload.backbone, workload.recipe
    optimizer = make_optimizer(trainable.head, recipe, trainable.weights)
    generator = torch.Generator().manual_seed(_SEED)
    paths = [sample.path for sample in workload.dataset]
    for batch in workload.batches:
        scores = [
            _dense_scores(paths[index], batch.scale, backbone, trainable, recipe, generator)
            for index in batch.indices
        ]
        optimizer.zero_grad()
        logistic_loss(torch.stack(scores), workload.labels(batch)).backward()
        optimizer.step()


def _dense_scores(
    path: Path,
    scale: float,
    backbone: Backbone,
    trainable: Trainable,
    recipe: Recipe,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the (K,) maxima over all valid cells of one image, with dense gradients."""
    pyramid = recipe.pyramid.with_scales((scale,))
    ((grid, canvas),) = load_canvases(path, pyramid, backbone.layout, backbone.pad_color)
    with torch.no_grad():
        features = backbone(torch.from_numpy(canvas)[None])[:, :, : grid.valid_rows, : grid.valid_cols]
    scores: torch.Tensor = trainable.head(trainable.projection(features), generator)
    return scores[0].amax(dim=(1, 2))


def _train_from_cache(workload: TrainingWorkload, trainable: Trainable, step: HeadTrainStep) -> None:
    """Take one step per mini-batch with freeloc."""
    optimizer = make_optimizer(trainable.head, workload.recipe, trainable.weights)
    generator = torch.Generator().manual_seed(_SEED)
    for batch, cells in stream(cell_source(workload.features), workload.batches):
        optimizer.zero_grad()
        step.backward(cells, workload.labels(batch), generator)
        optimizer.step()


def _forward(workload: TrainingWorkload, step: HeadTrainStep) -> Task:
    """Return the forward pass of every mini-batch, with the recipe's fraction of the cells in memory."""
    fraction = workload.recipe.cell_fraction
    loaded: list[list[Cells]] = []
    for _, cells in stream(cell_source(workload.features), workload.batches):
        loaded.append([np.array(of_image[: math.ceil(fraction * len(of_image))]) for of_image in cells])  # type: ignore[misc]

    def forward() -> None:
        for cells in loaded:
            step.pooled_scores(cells)

    return forward


def render(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks of the section."""
    measured, speedup = section["measured"], section["speedup"]
    yield "## Training from cached features"
    yield (
        f"Seconds per epoch of {section['images']:,} images ({section['data']}, `{section['backbone']}`) on "
        f"a processor, extrapolated from {measured['steps']} mini-batches with {measured['images']} images "
        "in total, the same number at each training scale. freeloc's forward pass ran in "
        f"{section['precision']}."
    )
    rows = [
        (
            name,
            spread_text(section["seconds_per_epoch"][name]),
            times_text(speedup[name]) if name in speedup else "",
        )
        for name in (SQUARE, CANVASES, CACHED, FORWARD)
    ]
    yield table(("", "seconds per epoch", "speedup of freeloc"), rows)
    yield f"A training step takes {times_text(section['over_forward_pass'])} the time of the head's forward pass."


def main(words: list[str] | None = None) -> None:
    """Time head training, print the times, and write the results and the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.head_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(split="train")
    parser.add_argument(
        "--steps",
        type=positive,
        default=_STEPS_PER_SCALE,
        help=f"mini-batches at each scale (default: {_STEPS_PER_SCALE})",
    )
    parser.add_argument("--cache", type=Path, help="folder of feature caches", metavar="FOLDER")
    arguments = parser.parse_args(words)
    dataset = open_dataset(arguments.data or default_data(), split=arguments.split or None)
    recipe = replace(Recipe(), batch_size=2, scales=(1.0,)) if arguments.quick else Recipe()
    workload = open_training_workload(
        dataset,
        recipe,
        backbone=arguments.backbone,
        precision=arguments.precision,
        steps=arguments.steps,
        cache=arguments.cache,
    )
    section = measure_head_training(workload, len(dataset), rounds=1 if arguments.quick else _ROUNDS)
    save_section(output_folder(arguments), "head_training", {"quick": arguments.quick, **section})
    for name, spread in section["seconds_per_epoch"].items():
        print_status(f"{name}: {spread['median']:.1f} s per epoch of {len(dataset)} images")
    for name, ratio in section["speedup"].items():
        print_status(f"speedup of freeloc over {name}: {ratio['median']:.1f}×")
    ratio = section["over_forward_pass"]["median"]
    print_status(f"a step takes {ratio:.2f}× the time of the head's forward pass")


if __name__ == "__main__":
    run(main)

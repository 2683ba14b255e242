"""An epoch of head training from the cache against the plain loop, on the same images in one run.

    python -m benchmarks.head_training --data VOCdevkit/VOC2012 --split train

The plain loop is what one would write first: for every image of every mini-batch decode, resize, backbone in
torch float32, its projection and the head on all cells, the maximum, and backward through projection and head:
once padded to squares, as the paper has it, and once on freeloc's own canvases, which leave most of the padding
out. All take one step for each of a few mini-batches, as many at every training scale; an epoch is that many times
longer. Beside them stands the one thing that freeloc's step cannot do without: the head's forward pass over the
cells that are looked at.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe, usable_cores
from benchmarks.record import update_record
from benchmarks.settings import add_common, out_folder, run
from benchmarks.subject import default_data
from benchmarks.timing import Task, interleaved
from benchmarks.training_page import CACHED, FORWARD, PLAIN, SQUARES
from benchmarks.warm_head import Learned, warm_head
from freeloc.datasets import Dataset, open_dataset
from freeloc.features.arrays import Cells
from freeloc.features.extract import extract
from freeloc.features.sources import CachedFeatures, cell_source
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.io.progress import print_status
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.losses import logistic_loss
from freeloc.runtime import Precision, compile_network, native_bfloat16
from freeloc.training.batches import Batch, stream
from freeloc.training.optimizer import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep

__all__ = ["Course", "main", "measure_head_training", "open_course"]

_SEED = 0
_CPU = torch.device("cpu")
_STEPS_PER_SCALE, _ROUNDS = 1, 5


@dataclass(frozen=True, eq=False)
class Course:
    """What is trained on: mini-batches, and their images' features in the cache.

    Attributes:
        dataset: the images.
        backbone: the frozen backbone.
        features: of all images of the mini-batches.
        batches: as many at each scale.
        recipe: of the head.
    """

    dataset: Dataset
    backbone: Backbone
    features: CachedFeatures
    batches: Sequence[Batch]
    recipe: Recipe

    def begin(self) -> Learned:
        """Head and projection past the warm start."""
        return warm_head(cell_source(self.features), self.dataset, self.backbone, self.recipe)

    def labels(self, batch: Batch) -> torch.Tensor:
        """(N, K) labels of a mini-batch."""
        return torch.from_numpy(self.dataset.labels[list(batch.indices)])


def measure_head_training(course: Course, epoch: int, *, rounds: int) -> dict[str, Any]:
    """One section of the record.

    Args:
        course: what is trained on.
        epoch: images an epoch; times of the sample are taken that many times as long.
        rounds: how often everything is run.

    Returns:
        Seconds an epoch each way, how many times freeloc is faster, and the share of the forward pass.
    """
    torch.set_num_threads(usable_cores())
    low_precision = native_bfloat16(_CPU.type)
    squares, plain, ours = course.begin(), course.begin(), course.begin()
    padded = replace(course, recipe=replace(course.recipe, padding="square"))
    step = HeadTrainStep(ours.projection, ours.head, course.recipe, low_precision=low_precision, device=_CPU)
    tasks: dict[str, Task] = {
        SQUARES: lambda: _plain(padded, squares),
        PLAIN: lambda: _plain(course, plain),
        CACHED: lambda: _cached(course, ours, step),
        FORWARD: _forward(course, step),
    }
    first = course.batches[:1]
    warm_ups = {
        **tasks,
        SQUARES: lambda: _plain(replace(padded, batches=first), squares),
        PLAIN: lambda: _plain(replace(course, batches=first), plain),
    }
    timings = interleaved(tasks, rounds=rounds, warm_ups=warm_ups)
    sample = sum(len(batch.indices) for batch in course.batches)
    return {
        "machine": describe(),
        "data": course.dataset.name,
        "backbone": course.backbone.name,
        "search": "bfloat16" if low_precision else "float32",
        "images": epoch,
        "sample": {"images": sample, "steps": len(course.batches), "rounds": rounds},
        "seconds_per_epoch": timings.as_json(epoch / sample),
        "times_faster": {name: timings.ratio(name, CACHED).as_json() for name in (SQUARES, PLAIN)},
        "times_the_forward_pass": timings.ratio(CACHED, FORWARD).as_json(),
    }


def _plain(course: Course, learned: Learned) -> None:
    """One step for every mini-batch, the textbook's way."""
    backbone, recipe = course.backbone, course.recipe
    optimizer = make_optimizer(learned.head, recipe, learned.trained)
    generator = torch.Generator().manual_seed(_SEED)
    paths = [sample.path for sample in course.dataset]
    for batch in course.batches:
        scores = [
            _dense_scores(paths[index], batch.scale, backbone, learned, recipe, generator)
            for index in batch.indices
        ]
        optimizer.zero_grad()
        logistic_loss(torch.stack(scores), course.labels(batch)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _dense_scores(
    path: Path, scale: float, backbone: Backbone, learned: Learned, recipe: Recipe, generator: torch.Generator
) -> torch.Tensor:
    """(K,) maxima over all valid cells of one image, with gradients everywhere in what is learned."""
    pyramid = Pyramid((scale,), recipe.padding)
    ((grid, canvas),) = load_canvases(path, pyramid, backbone.layout, backbone.pad_color)
    with torch.no_grad():
        features = backbone(torch.from_numpy(canvas)[None])[:, :, : grid.valid_rows, : grid.valid_cols]
    scores: torch.Tensor = learned.head(learned.projection(features), generator)
    return scores[0].amax(dim=(1, 2))


def _cached(course: Course, learned: Learned, step: HeadTrainStep) -> None:
    """One step for every mini-batch, freeloc's way."""
    optimizer = make_optimizer(learned.head, course.recipe, learned.trained)
    generator = torch.Generator().manual_seed(_SEED)
    for batch, cells in stream(cell_source(course.features), course.batches):
        optimizer.zero_grad()
        step.backward(cells, course.labels(batch), generator)
        optimizer.step()


def _forward(course: Course, step: HeadTrainStep) -> Task:
    """The search of every mini-batch, with its share of the cells in memory."""
    share = course.recipe.cell_fraction
    ready: list[list[Cells]] = []
    for _batch, cells in stream(cell_source(course.features), course.batches):
        ready.append([np.array(part[: math.ceil(share * len(part))]) for part in cells])

    def search() -> None:
        for cells in ready:
            step.pooled_scores(cells)

    return search


def open_course(
    dataset: Dataset, recipe: Recipe, *, backbone: str, precision: Precision, steps: int, cache: Path | None
) -> Course:
    """Draw the mini-batches, and see that their features are in the cache.

    Args:
        dataset: all images.
        recipe: of the head.
        backbone: name of the backbone.
        precision: arithmetic of the cached features.
        steps: mini-batches at each scale.
        cache: folder of caches; None is the user's.
    """
    network_backbone = load_backbone(backbone)
    network = compile_network(network_backbone, runtime="openvino", precision=precision, streams=True)
    count = min(len(dataset), steps * len(recipe.scales) * recipe.batch_size)
    order = np.random.default_rng(_SEED).permutation(len(dataset))[:count]
    drawn = replace(dataset, samples=tuple(dataset.samples[index] for index in order))
    paths = [sample.path for sample in drawn]
    features = extract(
        paths, network_backbone, network, Pyramid(recipe.scales, recipe.padding), cache_folder=cache
    )
    batches = [
        Batch(
            tuple(range(start, min(start + recipe.batch_size, count))),
            recipe.scales[turn % len(recipe.scales)],
        )
        for turn, start in enumerate(range(0, count, recipe.batch_size))
    ]
    return Course(drawn, network_backbone, features, batches, recipe)


def main(words: list[str] | None = None) -> None:
    """Measure, print, and add to ``benchmarks.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.head_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.set_defaults(split="train")
    parser.add_argument("--steps", type=int, help=f"mini-batches at each scale (default: {_STEPS_PER_SCALE})")
    parser.add_argument("--cache", type=Path, help="folder of feature caches", metavar="FOLDER")
    arguments = parser.parse_args(words)
    dataset = open_dataset(arguments.data or default_data(), split=arguments.split or None)
    recipe = replace(Recipe(), batch_size=2, scales=(1.0,)) if arguments.quick else Recipe()
    course = open_course(
        dataset,
        recipe,
        backbone=arguments.backbone,
        precision=arguments.precision,
        steps=arguments.steps or _STEPS_PER_SCALE,
        cache=arguments.cache,
    )
    section = measure_head_training(course, len(dataset), rounds=1 if arguments.quick else _ROUNDS)
    update_record(out_folder(arguments), "head_training", {"quick": arguments.quick, **section})
    for name, spread in section["seconds_per_epoch"].items():
        print_status(f"{name}: {spread['median']:.1f} s an epoch of {len(dataset)} images")
    for name, ratio in section["times_faster"].items():
        print_status(f"freeloc is {ratio['median']:.1f} times faster than {name}")
    print_status(f"and takes {section['times_the_forward_pass']['median']:.2f} times its head's forward pass")


if __name__ == "__main__":
    run(main)

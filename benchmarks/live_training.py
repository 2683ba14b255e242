"""Training without a cache against the backbone alone, on the same images at the same scales.

    python -m benchmarks.live_training --data VOCdevkit/VOC2012 --split train

One epoch of ``freeloc train --no-cache`` decodes every image, runs the backbone, and takes a step of the head
for every mini-batch. The backbone alone gets its canvases from memory, with the same streams and threads. What the
epoch takes beyond it is decoding, resizing and the head, as far as they do not run beside the backbone.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe
from benchmarks.record import update_record
from benchmarks.settings import add_common, out_folder, run
from benchmarks.subject import default_data
from benchmarks.timing import Task, interleaved
from benchmarks.training_page import BACKBONE, CANVASES, EPOCH
from benchmarks.warm_head import Learned, warm_head
from freeloc.datasets import Dataset, open_dataset
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource, LiveFeatures, cell_source
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import print_status
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import Network, Precision, compile_network, native_bfloat16
from freeloc.training.batches import Batch, plan_epoch
from freeloc.training.device import share_cores
from freeloc.training.optimizer import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.seeds import SeedPurpose, derive_seed
from freeloc.training.step import HeadTrainStep
from freeloc.training.trainer import Trainer

__all__ = ["main", "measure_live_training"]

_SEED = 0
_IMAGES, _ROUNDS = 96, 5
_QUICK_IMAGES, _QUICK_ROUNDS = 4, 1
_MOST_IMAGES = 512
"""Their canvases lie in memory: a megabyte each."""


def measure_live_training(
    dataset: Dataset, backbone: Backbone, network: Network, recipe: Recipe, *, rounds: int
) -> dict[str, Any]:
    """One section of the record.

    Args:
        dataset: the images; few enough that their canvases fit into memory.
        backbone: the frozen backbone.
        network: the same, compiled with a stream per core.
        recipe: of the head; trained for one epoch.
        rounds: how often everything is run.

    Returns:
        Seconds of each task, and how many times the backbone's own an epoch takes.
    """
    paths = [sample.path for sample in dataset]
    generator = torch.Generator().manual_seed(derive_seed(_SEED, 0, SeedPurpose.BATCHES))
    plan = plan_epoch(len(paths), recipe, None, generator)
    canvases = list(prefetch(lambda pair: _canvas(pair, paths, backbone, recipe), _images(plan)))
    live = cell_source(LiveFeatures(paths, backbone, network, recipe.padding))
    learned = warm_head(live, dataset, backbone, recipe)
    tasks: dict[str, Task] = {
        BACKBONE: lambda: _exhaust(prefetch(network, canvases, threads=network.threads)),
        EPOCH: lambda: _epoch(live, dataset, network, learned, recipe),
        CANVASES: lambda: _exhaust(
            prefetch(
                lambda pair: _canvas(pair, paths, backbone, recipe), _images(plan), threads=network.threads
            )
        ),
    }
    timings = interleaved(tasks, rounds=rounds)
    return {
        "machine": describe(),
        "data": dataset.name,
        "backbone": backbone.name,
        "network": f"{network.runtime} {network.precision}",
        "images": len(dataset),
        "rounds": rounds,
        "seconds": timings.as_json(1.0),
        "times_the_backbone": timings.ratio(EPOCH, BACKBONE).as_json(),
    }


def _epoch(
    source: FeatureSource[Cells],
    dataset: Dataset,
    network: Network,
    learned: Learned,
    recipe: Recipe,
) -> None:
    device = torch.device("cpu")
    step = HeadTrainStep(
        learned.projection,
        learned.head,
        recipe,
        low_precision=native_bfloat16(device.type),
        device=device,
    )
    optimizer = make_optimizer(learned.head, recipe, learned.trained)
    with share_cores(network.threads):
        Trainer(source, dataset.labels, step, optimizer, recipe, _SEED).fit(quiet=True)


def _images(plan: Sequence[Batch]) -> list[tuple[int, float]]:
    return [(index, batch.scale) for batch in plan for index in batch.indices]


def _canvas(
    pair: tuple[int, float], paths: Sequence[Path], backbone: Backbone, recipe: Recipe
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    index, scale = pair
    pyramid = Pyramid((scale,), recipe.padding)
    ((_grid, canvas),) = load_canvases(paths[index], pyramid, backbone.layout, backbone.pad_color)
    return canvas


def _exhaust(items: object) -> None:
    deque(items, maxlen=0)  # type: ignore[call-overload]


def main(words: list[str] | None = None) -> None:
    """Measure, print, and add to ``benchmarks.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.set_defaults(split="train")
    parser.add_argument("--images", type=int, help=f"how many (default: {_IMAGES})")
    arguments = parser.parse_args(words)
    fallback = _QUICK_IMAGES if arguments.quick else _IMAGES
    count = min(arguments.images or fallback, _MOST_IMAGES)
    dataset = open_dataset(arguments.data or default_data(), split=arguments.split or None, boxes=False)
    order = np.random.default_rng(_SEED).permutation(len(dataset))[:count]
    sample = replace(dataset, samples=tuple(dataset.samples[index] for index in order))
    backbone = load_backbone(arguments.backbone)
    precision: Precision = arguments.precision
    network = compile_network(backbone, runtime="openvino", precision=precision, streams=True)
    recipe = replace(Recipe(), epochs=1)
    rounds = _QUICK_ROUNDS if arguments.quick else _ROUNDS
    section = measure_live_training(sample, backbone, network, recipe, rounds=rounds)
    update_record(out_folder(arguments), "live_training", {"quick": arguments.quick, **section})
    for name, spread in section["seconds"].items():
        print_status(f"{name}: {spread['median']:.2f} s for {len(sample)} images")
    ratio = section["times_the_backbone"]
    print_status(
        f"an epoch takes {ratio['median']:.2f} times the backbone's own [{ratio['low']:.2f}, {ratio['high']:.2f}]"
    )


if __name__ == "__main__":
    run(main)

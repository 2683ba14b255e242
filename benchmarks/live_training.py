"""Training without a cache: an epoch, compared with the backbone alone on the same images at the same scales.

    python -m benchmarks.live_training --data VOCdevkit/VOC2012 --split train

One epoch of ``freeloc train --no-cache`` decodes every image, runs the backbone, and takes one step of the head
per mini-batch. The backbone alone reads its canvases from memory, with the same streams and threads. The
additional time of the epoch is the part of decoding, resizing and the head that does not overlap with the
backbone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.head_training import Trainable, warm_started
from benchmarks.machine import describe
from benchmarks.results import Section, save_section, spread_text, table, times_text
from benchmarks.timing import Task, exhaust, interleaved
from benchmarks.workload import add_options, default_data, output_folder, positive, run
from freeloc._typing import Uint8Array
from freeloc.datasets import Dataset, open_dataset
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource, LiveFeatures, cell_source
from freeloc.images.canvas import load_canvases
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import print_status
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import Network, bfloat16_is_faster, compile_network
from freeloc.training.batches import plan_epoch
from freeloc.training.device import share_cores
from freeloc.training.optimizer import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.seeds import SeedPurpose, derive_seed
from freeloc.training.step import HeadTrainStep
from freeloc.training.trainer import Trainer

__all__ = ["BACKBONE", "CANVASES", "EPOCH", "main", "measure_live_training", "render"]

EPOCH = "epoch without a cache"
BACKBONE = "backbone alone, canvases in memory"
CANVASES = "decoding and resizing alone"

_SEED = 0
_IMAGES, _ROUNDS = 96, 5
_QUICK_IMAGES, _QUICK_ROUNDS = 4, 1

_MOST_TIME = 1.3
"""Target: time of an epoch, relative to the backbone alone."""

_MAX_IMAGES = 512
"""Number of images, whose canvases are stored in memory, one megabyte each."""


def measure_live_training(
    dataset: Dataset, backbone: Backbone, network: Network, recipe: Recipe, *, rounds: int
) -> dict[str, Any]:
    """Time training without a cache.

    Args:
        dataset: the images; their canvases must fit into memory.
        backbone: the frozen backbone.
        network: the compiled backbone, with one stream per core.
        recipe: recipe of the head, which is trained for one epoch.
        rounds: number of rounds.

    Returns:
        A section of the results: seconds of each task, and the time of an epoch relative to the backbone
        alone.
    """
    paths = [sample.path for sample in dataset]
    generator = torch.Generator().manual_seed(derive_seed(_SEED, 0, SeedPurpose.BATCHES))
    plan = plan_epoch(len(paths), recipe, None, generator)
    scaled_images = [(index, batch.scale) for batch in plan for index in batch.indices]

    def canvas(scaled_image: tuple[int, float]) -> Uint8Array:
        index, scale = scaled_image
        pyramid = recipe.pyramid.with_scales((scale,))
        ((_, pixels),) = load_canvases(paths[index], pyramid, backbone.layout, backbone.pad_color)
        return pixels

    canvases = list(prefetch(canvas, scaled_images))
    live = cell_source(LiveFeatures(paths, backbone, network, recipe.pyramid))
    trainable = warm_started(live, dataset, backbone, recipe)
    tasks: dict[str, Task] = {
        BACKBONE: lambda: exhaust(prefetch(network, canvases, threads=network.threads)),
        EPOCH: lambda: _epoch(live, dataset, network, trainable, recipe),
        CANVASES: lambda: exhaust(prefetch(canvas, scaled_images, threads=network.threads)),
    }
    timings = interleaved(tasks, rounds=rounds)
    return {
        "machine": describe(),
        "data": dataset.name,
        "backbone": backbone.name,
        "network": f"{network.runtime} {network.precision}",
        "images": len(dataset),
        "rounds": rounds,
        "seconds": timings.to_dict(1.0),
        "over_backbone": timings.ratio(EPOCH, BACKBONE).to_dict(),
    }


def _epoch(
    source: FeatureSource[Cells], dataset: Dataset, network: Network, trainable: Trainable, recipe: Recipe
) -> None:
    device = torch.device("cpu")
    step = HeadTrainStep(
        trainable.projection,
        trainable.head,
        recipe,
        use_bfloat16=bfloat16_is_faster(device.type),
        device=device,
    )
    optimizer = make_optimizer(trainable.head, recipe, trainable.weights)
    with share_cores(network.threads):
        Trainer(source, dataset.labels, step, optimizer, recipe, _SEED).fit(quiet=True)


def render(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks of the section."""
    yield "## Training without a cache"
    yield (
        f"{section['images']} images of {section['data']} on a processor: `{section['backbone']}`, "
        f"{section['network']}, one scale per mini-batch."
    )
    rows = [(name, spread_text(section["seconds"][name])) for name in (BACKBONE, EPOCH, CANVASES)]
    yield table(("", "seconds"), rows)
    ratio = section["over_backbone"]
    yield (
        f"An epoch takes {times_text(ratio)} the time of the backbone alone; the target of at most "
        f"{_MOST_TIME:g}× is {'met' if ratio['median'] <= _MOST_TIME else '**missed**'}. The last training step "
        "of the head cannot overlap with the backbone; with few images, this accounts for a larger part of the "
        "time."
    )


def main(words: list[str] | None = None) -> None:
    """Time training without a cache, print the times, and write the results and the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(split="train")
    parser.add_argument("--images", type=positive, help=f"number of images (default: {_IMAGES})")
    arguments = parser.parse_args(words)
    default = _QUICK_IMAGES if arguments.quick else _IMAGES
    count = min(arguments.images or default, _MAX_IMAGES)
    dataset = open_dataset(arguments.data or default_data(), split=arguments.split or None, boxes=False)
    order = np.random.default_rng(_SEED).permutation(len(dataset))[:count]
    sample = replace(dataset, samples=tuple(dataset.samples[index] for index in order))
    backbone = load_backbone(arguments.backbone)
    network = compile_network(backbone, runtime="openvino", precision=arguments.precision, streams=None)
    recipe = replace(Recipe(), epochs=1)
    rounds = _QUICK_ROUNDS if arguments.quick else _ROUNDS
    section = measure_live_training(sample, backbone, network, recipe, rounds=rounds)
    save_section(output_folder(arguments), "live_training", {"quick": arguments.quick, **section})
    for name, spread in section["seconds"].items():
        print_status(f"{name}: {spread['median']:.2f} s for {len(sample)} images")
    ratio = section["over_backbone"]
    quartiles = f"[{ratio['low']:.2f}, {ratio['high']:.2f}]"
    print_status(f"an epoch takes {ratio['median']:.2f}× {quartiles} the time of the backbone alone")


if __name__ == "__main__":
    run(main)

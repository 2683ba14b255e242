"""Training without a cache against the trunk alone, on the same photographs at the same scales.

    python -m benchmarks.live_training --data VOCdevkit/VOC2012 --split train

One epoch of ``freeloc train --no-cache`` decodes every photograph, runs the trunk, and takes a step of the head
for every mini-batch. The trunk alone gets its canvases from memory, with the same streams and threads. What the
epoch takes beyond it is decoding, resizing and the head, as far as they do not run beside the trunk.
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
from benchmarks.training_page import CANVASES, EPOCH, TRUNK
from benchmarks.warm_head import Learned, warm_head
from freeloc.canvas import lay_out
from freeloc.datasets import Dataset, open_dataset
from freeloc.features import LiveFeatures
from freeloc.geometry import Pyramid
from freeloc.overlap import ahead
from freeloc.progress import say
from freeloc.runtime import Network, Precision, compile_network, native_bfloat16
from freeloc.training.batches import Batch, mix_seed, plan_epoch
from freeloc.training.device import sharing_cores
from freeloc.training.loop import fit, make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.steps import Learner
from freeloc.trunks import load_trunk
from freeloc.trunks.base import Trunk

__all__ = ["main", "measure_live_training"]

_SEED = 0
_PHOTOGRAPHS, _ROUNDS = 96, 5
_QUICK_PHOTOGRAPHS, _QUICK_ROUNDS = 4, 1
_MOST_PHOTOGRAPHS = 512
"""Their canvases lie in memory: a megabyte each."""


def measure_live_training(
    dataset: Dataset, trunk: Trunk, network: Network, recipe: Recipe, *, rounds: int
) -> dict[str, Any]:
    """One section of the record.

    Args:
        dataset: the photographs; few enough that their canvases fit into memory.
        trunk: the frozen trunk.
        network: the same, compiled with a stream per core.
        recipe: of the head; trained for one epoch.
        rounds: how often everything is run.

    Returns:
        Seconds of each task, and how many times the trunk's own an epoch takes.
    """
    paths = [sample.path for sample in dataset]
    plan = plan_epoch(len(paths), recipe, None, torch.Generator().manual_seed(mix_seed(_SEED, 0, 0)))
    canvases = list(ahead(lambda pair: _canvas(pair, paths, trunk, recipe), _photographs(plan)))
    live = LiveFeatures(paths, trunk, network, recipe.padding)
    learned = warm_head(live, dataset, trunk, recipe)
    tasks: dict[str, Task] = {
        TRUNK: lambda: _exhaust(ahead(network, canvases, threads=network.threads)),
        EPOCH: lambda: _epoch(live, dataset, network, learned, recipe),
        CANVASES: lambda: _exhaust(
            ahead(
                lambda pair: _canvas(pair, paths, trunk, recipe), _photographs(plan), threads=network.threads
            )
        ),
    }
    timings = interleaved(tasks, rounds=rounds)
    return {
        "machine": describe(),
        "data": dataset.name,
        "trunk": trunk.name,
        "network": f"{network.runtime} {network.precision}",
        "photographs": len(dataset),
        "rounds": rounds,
        "seconds": timings.as_json(1.0),
        "times_the_trunk": timings.ratio(EPOCH, TRUNK).as_json(),
    }


def _epoch(
    source: LiveFeatures,
    dataset: Dataset,
    network: Network,
    learned: Learned,
    recipe: Recipe,
) -> None:
    device = torch.device("cpu")
    learner = Learner(
        learned.projection,
        learned.head,
        recipe,
        low_precision=native_bfloat16(device.type),
        device=device,
    )
    optimizer = make_optimizer(learned.head, recipe, learned.trained)
    with sharing_cores(network.threads):
        fit(source, dataset.labels, learned.head, learner, optimizer, recipe, seed=_SEED, quiet=True)


def _photographs(plan: Sequence[Batch]) -> list[tuple[int, float]]:
    return [(index, batch.scale) for batch in plan for index in batch.indices]


def _canvas(
    pair: tuple[int, float], paths: Sequence[Path], trunk: Trunk, recipe: Recipe
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    index, scale = pair
    pyramid = Pyramid((scale,), recipe.padding)
    ((_grid, canvas),) = lay_out(paths[index], pyramid, trunk.layout, trunk.fill)
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
    parser.add_argument("--photographs", type=int, help=f"how many (default: {_PHOTOGRAPHS})")
    arguments = parser.parse_args(words)
    fallback = _QUICK_PHOTOGRAPHS if arguments.quick else _PHOTOGRAPHS
    count = min(arguments.photographs or fallback, _MOST_PHOTOGRAPHS)
    dataset = open_dataset(arguments.data or default_data(), split=arguments.split or None, boxes=False)
    order = np.random.default_rng(_SEED).permutation(len(dataset))[:count]
    sample = replace(dataset, samples=tuple(dataset.samples[index] for index in order))
    trunk = load_trunk(arguments.trunk)
    precision: Precision = arguments.precision
    network = compile_network(trunk, runtime="openvino", precision=precision, streams=True)
    recipe = replace(Recipe(), epochs=1)
    rounds = _QUICK_ROUNDS if arguments.quick else _ROUNDS
    section = measure_live_training(sample, trunk, network, recipe, rounds=rounds)
    update_record(out_folder(arguments), "live_training", {"quick": arguments.quick, **section})
    for name, spread in section["seconds"].items():
        say(f"{name}: {spread['median']:.2f} s for {len(sample)} photographs")
    ratio = section["times_the_trunk"]
    say(
        f"an epoch takes {ratio['median']:.2f} times the trunk's own [{ratio['low']:.2f}, {ratio['high']:.2f}]"
    )


if __name__ == "__main__":
    run(main)

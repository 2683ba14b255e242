"""Mini-batches: assign images to batches and scales, and stream their features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch

from freeloc.features.sources import FeatureSource
from freeloc.io.prefetch import prefetch
from freeloc.training.recipe import Recipe

__all__ = ["Batch", "plan_epoch", "stream"]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Batch:
    """One mini-batch.

    Attributes:
        indices: indices of the images.
        scale: the scale of all images (paper, section 4).
    """

    indices: tuple[int, ...]
    scale: float


def plan_epoch(
    images: int, recipe: Recipe, scales: tuple[float, ...] | None, generator: torch.Generator
) -> list[Batch]:
    """Return the mini-batches of one epoch: every image once, in random order, each mini-batch at a random scale.

    Args:
        images: number of images.
        recipe: sets the batch size and the range of scales.
        scales: scales to draw from; if None, scales are drawn uniformly between the recipe's smallest and largest
            scale.
        generator: source of random numbers for the order and the scales.
    """
    order = torch.randperm(images, generator=generator).tolist()
    batches = []
    for start in range(0, images, recipe.batch_size):
        if scales is None:
            low, high = min(recipe.scales), max(recipe.scales)
            scale = low + (high - low) * float(torch.rand((), generator=generator))
        else:
            scale = scales[int(torch.randint(len(scales), (), generator=generator))]
        batches.append(Batch(tuple(order[start : start + recipe.batch_size]), scale))
    return batches


def stream(source: FeatureSource[Item], plan: Sequence[Batch]) -> Iterator[tuple[Batch, list[Item]]]:
    """Yield the mini-batches of a plan in order, each with the items of its images.

    Threads read about one mini-batch ahead, so they stay busy during a training step, and memory use stays
    bounded. They read single images rather than mini-batches, so all threads are busy regardless of the batch
    size. If the source computes several images in one batch, as on a GPU, two threads read whole mini-batches
    instead: the images of one mini-batch are decoded while the features of the other are computed.
    """
    if source.batch > 1:
        batches = prefetch(
            lambda batch: source.get_many(batch.indices, batch.scale), plan, threads=2, depth=1
        )
        yield from ((batch, list(items)) for batch, items in zip(plan, batches, strict=True))
        return
    images = ((index, batch.scale) for batch in plan for index in batch.indices)
    depth = max((len(batch.indices) for batch in plan), default=0) + 2 * source.threads
    items = prefetch(lambda image: source.get(*image), images, threads=source.threads, depth=depth)
    for batch in plan:
        yield batch, list(islice(items, len(batch.indices)))

"""Which images go together, and at which scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch

from freeloc.features.sources import FeatureSource
from freeloc.io.prefetch import prefetch
from freeloc.training.recipe import Recipe

__all__ = ["Batch", "derive_seed", "plan_epoch", "stream"]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Batch:
    """One mini-batch: images by position, and the one scale they share (paper, section 4)."""

    indices: tuple[int, ...]
    scale: float


def plan_epoch(
    images: int, recipe: Recipe, scales: tuple[float, ...] | None, generator: torch.Generator
) -> list[Batch]:
    """Every image once, in random order, each mini-batch at a random scale.

    Args:
        images: how many there are.
        recipe: batch size and scales.
        scales: the scales at hand; None draws between the recipe's smallest and largest.
        generator: source of order and scales.
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
    """The mini-batches of a plan in order, with what the source gives of their images.

    Images, not mini-batches, are what the source's threads work on: all of them are busy whatever the size of
    a mini-batch. One mini-batch and a few images wait at a time, so that the threads also work while a step
    is taken, and memory stays flat. A source that likes several at once, as on a GPU, gets a mini-batch after the
    other: two are in work, one in decoding while the other is computed.
    """
    if source.batch > 1:
        together = prefetch(
            lambda batch: source.get_many(batch.indices, batch.scale), plan, threads=2, depth=1
        )
        yield from ((batch, list(items)) for batch, items in zip(plan, together, strict=True))
        return
    wanted = ((index, batch.scale) for batch in plan for index in batch.indices)
    waiting = max((len(batch.indices) for batch in plan), default=0) + 2 * source.threads
    made = prefetch(lambda pair: source.get(*pair), wanted, threads=source.threads, depth=waiting)
    for batch in plan:
        yield batch, list(islice(made, len(batch.indices)))


def derive_seed(seed: int, epoch: int, purpose: int) -> int:
    """A seed of its own for every purpose (0 to 7) of every epoch."""
    return ((seed * 1_000_003 + epoch) * 8 + purpose) % 2**63

"""Which photographs go together, and at which scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from freeloc.features import Cells, FeatureSource
from freeloc.training.recipe import Recipe

__all__ = ["Batch", "fetcher", "mix_seed", "plan_epoch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One mini-batch: photographs by position, and the one scale they share (paper, section 4)."""

    indices: tuple[int, ...]
    scale: float


def plan_epoch(
    photographs: int, recipe: Recipe, scales: tuple[float, ...] | None, generator: torch.Generator
) -> list[Batch]:
    """Every photograph once, in random order, each mini-batch at a random scale.

    Args:
        photographs: how many there are.
        recipe: batch size and range of scales.
        scales: the scales at hand; None draws from the recipe's range.
        generator: source of order and scales.
    """
    order = torch.randperm(photographs, generator=generator).tolist()
    batches = []
    for start in range(0, photographs, recipe.batch_size):
        if scales is None:
            low, high = recipe.scale_range
            scale = low + (high - low) * float(torch.rand((), generator=generator))
        else:
            scale = scales[int(torch.randint(len(scales), (), generator=generator))]
        batches.append(Batch(tuple(order[start : start + recipe.batch_size]), scale))
    return batches


def fetcher(source: FeatureSource) -> Callable[[Batch], tuple[Batch, list[Cells]]]:
    """What reads a mini-batch's features; for `freeloc.overlap.ahead`."""

    def fetch(batch: Batch) -> tuple[Batch, list[Cells]]:
        return batch, [source.cells(index, batch.scale) for index in batch.indices]

    return fetch


def mix_seed(seed: int, epoch: int, purpose: int) -> int:
    """A seed of its own for every purpose (0 to 7) of every epoch."""
    return ((seed * 1_000_003 + epoch) * 8 + purpose) % 2**63

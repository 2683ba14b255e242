"""Which images go together, and at which scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import torch

from freeloc.io.prefetch import prefetch
from freeloc.training.recipe import Recipe

__all__ = ["Batch", "Source", "derive_seed", "plan_epoch", "stream"]

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)


class Source(Protocol[Item_co]):
    """Where training gets what it needs of each image: a `freeloc.features.extract.FeatureSource`, or another."""

    @property
    def scales(self) -> tuple[float, ...] | None:
        """The scales that can be asked for; None means any."""
        ...

    @property
    def threads(self) -> int:
        """How many threads should ask at once to keep the machine busy."""
        ...

    @property
    def batch(self) -> int:
        """How many images it likes to be asked for at once, see `together`; 1 where that gains nothing."""
        ...

    def __len__(self) -> int:
        """Number of images."""
        ...

    def cells(self, index: int, scale: float) -> Item_co:
        """What a step reads of one image at one scale."""
        ...

    def together(self, indices: Sequence[int], scale: float) -> Sequence[Item_co]:
        """What `cells` gives for each of several images."""
        ...


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


def stream(source: Source[Item], plan: Sequence[Batch]) -> Iterator[tuple[Batch, list[Item]]]:
    """The mini-batches of a plan in order, with what the source gives of their images.

    Images, not mini-batches, are what the source's threads work on: all of them are busy whatever the size of
    a mini-batch. One mini-batch and a few images wait at a time, so that the threads also work while a step
    is taken, and memory stays flat. A source that likes several at once, as on a GPU, gets a mini-batch after the
    other: two are in work, one in decoding while the other is computed.
    """
    if source.batch > 1:
        together = prefetch(
            lambda batch: source.together(batch.indices, batch.scale), plan, threads=2, depth=1
        )
        yield from ((batch, list(items)) for batch, items in zip(plan, together, strict=True))
        return
    wanted = ((index, batch.scale) for batch in plan for index in batch.indices)
    waiting = max((len(batch.indices) for batch in plan), default=0) + 2 * source.threads
    made = prefetch(lambda pair: source.cells(*pair), wanted, threads=source.threads, depth=waiting)
    for batch in plan:
        yield batch, list(islice(made, len(batch.indices)))


def derive_seed(seed: int, epoch: int, purpose: int) -> int:
    """A seed of its own for every purpose (0 to 7) of every epoch."""
    return ((seed * 1_000_003 + epoch) * 8 + purpose) % 2**63

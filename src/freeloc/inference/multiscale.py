"""Images through the network, scale by scale: one at a time, or many in batches of one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.errors import FreelocError
from freeloc.features.batching import in_batches
from freeloc.geometry.grid import Grid
from freeloc.inference.score_map import ScoreMap, fusion_lattice
from freeloc.io.prefetch import prefetch
from freeloc.runtime import Network

__all__ = ["EarlyExit", "ScaleInput", "run_scales", "run_scales_many"]

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class ScaleInput:
    """An image at one scale, ready for the network.

    Attributes:
        grid: where things are on the canvas.
        canvas: (H, W, 3) uint8 RGB.
        inputs: the mask of its padding and the field of its lattice, see
        `freeloc.inference.scoring_graph.ScoringGraph`.
    """

    grid: Grid
    canvas: npt.NDArray[np.uint8]
    inputs: tuple[Float32Array, Float32Array]

    @classmethod
    def of(cls, grid: Grid, canvas: npt.NDArray[np.uint8]) -> ScaleInput:
        """Make mask and field of a canvas."""
        return cls(grid, canvas, (grid.padding_mask(), grid.sampling_field(fusion_lattice(grid.image_size))))

    def found(self, outputs: tuple[Float32Array, ...]) -> ScoreMap:
        """What the network gave, cut to what belongs to the image."""
        values, peaks, aligned = outputs
        lattice = fusion_lattice(self.grid.image_size)
        own = aligned[:, : lattice.rows, : lattice.cols]
        return ScoreMap(self.grid.crop_to_valid(values), self.grid, peaks, own)


@dataclass(frozen=True)
class EarlyExit:
    """When the first scales are enough.

    Attributes:
        scales: how many they are; None asks for all scales of every image.
        in_doubt: whether what they found asks for the others.
    """

    scales: int | None
    in_doubt: Callable[[Sequence[ScoreMap]], bool]


def run_scales(looks: Iterable[ScaleInput], network: Network, glance: EarlyExit) -> list[ScoreMap]:
    """The maps of one image; what a glance makes needless is not even laid out."""
    found: list[ScoreMap] = []
    for look in looks:
        if len(found) == glance.scales and not glance.in_doubt(found):
            break
        found.append(look.found(network.run(look.canvas, *look.inputs)))
    return found


def run_scales_many(
    items: Iterable[Item], looks: Callable[[Item], Iterable[ScaleInput]], network: Network, glance: EarlyExit
) -> Iterator[tuple[Item, list[ScoreMap] | FreelocError]]:
    """The maps of many images in order, canvases of one shape together; or why there are none.

    Args:
        items: taken a few at a time.
        looks: decodes an image and lays it out.
        network: asked for as many canvases at once as it likes.
        glance: images that it leaves in doubt come together again for the other scales.
    """

    def laid_out(item: Item) -> tuple[_Job[Item], list[ScaleInput]]:
        try:
            ready = list(looks(item))
        except FreelocError as error:
            return _Job(item, error=error), []
        first = len(ready) if glance.scales is None else glance.scales
        return _Job(item, waiting=ready[first:]), ready[:first]

    def searched(ready: list[ScaleInput]) -> list[ScoreMap]:
        outputs = network.run_many([look.canvas for look in ready], [look.inputs for look in ready])
        return [look.found(own) for look, own in zip(ready, outputs, strict=True)]

    def together(
        jobs: Iterable[tuple[_Job[Item], list[ScaleInput]]],
    ) -> Iterator[tuple[_Job[Item], list[ScoreMap]]]:
        return in_batches(searched, jobs, key=lambda look: look.canvas.shape, window=2 * network.batch)

    def doubtful(
        glanced: Iterable[tuple[_Job[Item], list[ScoreMap]]],
    ) -> Iterator[tuple[_Job[Item], list[ScaleInput]]]:
        for job, maps in glanced:
            wanted = job.waiting if maps and glance.in_doubt(maps) else ()
            yield replace(job, glanced=maps, waiting=()), list(wanted)

    done = together(prefetch(laid_out, items, threads=network.threads, depth=2 * network.threads))
    if glance.scales is not None:
        done = together(doubtful(done))
    for job, maps in done:
        yield job.item, job.error or [*job.glanced, *maps]


@dataclass(frozen=True, eq=False)
class _Job(Generic[Item]):
    """An image among many.

    Attributes:
        item: as it was given.
        error: why it cannot be read; None where it can.
        waiting: what is looked at only if the first glance leaves a doubt.
        glanced: what the first glance found.
    """

    item: Item
    error: FreelocError | None = None
    waiting: Sequence[ScaleInput] = ()
    glanced: Sequence[ScoreMap] = ()

"""Photographs through the network, scale by scale: one at a time, or many in batches of one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from freeloc.batching import in_batches
from freeloc.errors import FreelocError
from freeloc.geometry import Float32Array, Grid
from freeloc.localization import ScaleMap, fusion_lattice
from freeloc.overlap import ahead
from freeloc.runtime import Network

__all__ = ["Glance", "Look", "look_at", "look_at_many"]

Photo = TypeVar("Photo")


@dataclass(frozen=True, eq=False)
class Look:
    """A photograph at one scale, ready for the network.

    Attributes:
        grid: where things are on the canvas.
        canvas: (H, W, 3) uint8 RGB.
        inputs: the mask of its padding and the field of its lattice, see `freeloc.search.WindowSearch`.
    """

    grid: Grid
    canvas: npt.NDArray[np.uint8]
    inputs: tuple[Float32Array, Float32Array]

    @classmethod
    def of(cls, grid: Grid, canvas: npt.NDArray[np.uint8]) -> Look:
        """Make mask and field of a canvas."""
        return cls(grid, canvas, (grid.padding_mask(), grid.sampling_field(fusion_lattice(grid.photo))))

    def found(self, outputs: tuple[Float32Array, ...]) -> ScaleMap:
        """What the network gave, cut to what belongs to the photograph."""
        values, peaks, aligned = outputs
        lattice = fusion_lattice(self.grid.photo)
        own = aligned[:, : lattice.rows, : lattice.cols]
        return ScaleMap(self.grid.valid_part(values), self.grid, peaks, own)


@dataclass(frozen=True)
class Glance:
    """When the first scales are enough.

    Attributes:
        scales: how many they are; None asks for all scales of every photograph.
        in_doubt: whether what they found asks for the others.
    """

    scales: int | None
    in_doubt: Callable[[Sequence[ScaleMap]], bool]


def look_at(looks: Iterable[Look], network: Network, glance: Glance) -> list[ScaleMap]:
    """The maps of one photograph; what a glance makes needless is not even laid out."""
    found: list[ScaleMap] = []
    for look in looks:
        if len(found) == glance.scales and not glance.in_doubt(found):
            break
        found.append(look.found(network.run(look.canvas, *look.inputs)))
    return found


def look_at_many(
    photos: Iterable[Photo], looks: Callable[[Photo], Iterable[Look]], network: Network, glance: Glance
) -> Iterator[tuple[Photo, list[ScaleMap] | FreelocError]]:
    """The maps of many photographs in order, canvases of one shape together; or why there are none.

    Args:
        photos: taken a few at a time.
        looks: decodes a photograph and lays it out.
        network: asked for as many canvases at once as it likes.
        glance: photographs that it leaves in doubt come together again for the other scales.
    """

    def laid_out(photo: Photo) -> tuple[_Job[Photo], list[Look]]:
        try:
            ready = list(looks(photo))
        except FreelocError as error:
            return _Job(photo, error=error), []
        first = len(ready) if glance.scales is None else glance.scales
        return _Job(photo, waiting=ready[first:]), ready[:first]

    def searched(ready: list[Look]) -> list[ScaleMap]:
        outputs = network.run_many([look.canvas for look in ready], [look.inputs for look in ready])
        return [look.found(own) for look, own in zip(ready, outputs, strict=True)]

    def together(
        jobs: Iterable[tuple[_Job[Photo], list[Look]]],
    ) -> Iterator[tuple[_Job[Photo], list[ScaleMap]]]:
        return in_batches(searched, jobs, key=lambda look: look.canvas.shape, window=2 * network.batch)

    def doubtful(
        glanced: Iterable[tuple[_Job[Photo], list[ScaleMap]]],
    ) -> Iterator[tuple[_Job[Photo], list[Look]]]:
        for job, maps in glanced:
            wanted = job.waiting if maps and glance.in_doubt(maps) else ()
            yield replace(job, glanced=maps, waiting=()), list(wanted)

    done = together(ahead(laid_out, photos, threads=network.threads, depth=2 * network.threads))
    if glance.scales is not None:
        done = together(doubtful(done))
    for job, maps in done:
        yield job.photo, job.error or [*job.glanced, *maps]


@dataclass(frozen=True, eq=False)
class _Job(Generic[Photo]):
    """A photograph among many.

    Attributes:
        photo: as it was given.
        error: why it cannot be read; None where it can.
        waiting: what is looked at only if the first glance leaves a doubt.
        glanced: what the first glance found.
    """

    photo: Photo
    error: FreelocError | None = None
    waiting: Sequence[Look] = ()
    glanced: Sequence[ScaleMap] = ()

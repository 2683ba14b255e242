"""Run the network on images at several scales.

One image is scored scale by scale, or at several scales at once; many images are scored one after the other, or in
batches of canvases of equal shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.errors import ImageError
from freeloc.features.batching import in_batches
from freeloc.geometry.grid import Grid
from freeloc.inference.detail_features import DetailFeatures
from freeloc.inference.early_exit import EarlyExit
from freeloc.inference.score_map import ScoreMap, fusion_lattice
from freeloc.io.prefetch import prefetch
from freeloc.runtime import Network

__all__ = [
    "ScaleInput",
    "run_scales",
    "run_scales_many",
    "scale_streams",
    "window_start",
]

Item = TypeVar("Item")
Context = TypeVar("Context")

_MAX_SHARE = 0.6
"""Maximum part of the pixels that one of two streams may get if an image's scales are computed in two streams."""


@dataclass(frozen=True, eq=False)
class ScaleInput:
    """One image at one scale, ready for the network.

    Attributes:
        grid: coordinate mapping between the image, the canvas and its cells.
        canvas: (H, W, 3) uint8 RGB.
        extra_inputs: the padding mask and the sampling field of the lattice; see
            `freeloc.inference.scoring_modules.ScoreReadout`.
    """

    grid: Grid
    canvas: npt.NDArray[np.uint8]
    extra_inputs: tuple[Float32Array, Float32Array]

    @classmethod
    def of(cls, grid: Grid, canvas: npt.NDArray[np.uint8]) -> ScaleInput:
        """Create the input from a canvas, with its padding mask and sampling field."""
        field = grid.sampling_field(fusion_lattice(grid.image_size))
        return cls(grid, canvas, (grid.padding_mask(), field))

    def score_map(self, outputs: tuple[Float32Array, ...]) -> ScoreMap:
        """Create a score map from the network's outputs, cropped to valid cells and to the image's lattice."""
        values, maxima, aligned, *others = outputs
        lattice = fusion_lattice(self.grid.image_size)
        cropped = aligned[:, : lattice.rows, : lattice.cols]
        detail = DetailFeatures.of_canvas(others[0], self.grid) if others else None
        return ScoreMap(self.grid.crop_to_valid(values), self.grid, maxima, cropped, detail)


def scale_streams(scales: Sequence[float], early_exit: EarlyExit) -> int:
    """Return how many scales of a single image should be computed at the same time: one or two.

    Two halves of the cores that compute a canvas each are faster than all cores that share one canvas, because
    many layers do not keep all cores busy. With the paper's six scales, the largest has half of the pixels, so two
    streams finish at about the same time.
    """
    if early_exit.after is not None:
        return 1
    loads = [0.0, 0.0]
    for scale in sorted(scales, reverse=True):
        loads[loads.index(min(loads))] += scale**2
    return 2 if max(loads) <= _MAX_SHARE * sum(loads) else 1


def run_scales(
    grids: Sequence[Grid],
    make_input: Callable[[Grid], ScaleInput],
    network: Network,
    early_exit: EarlyExit,
    *,
    alone: bool = False,
) -> list[ScoreMap]:
    """Compute the score maps of one image.

    Args:
        grids: the coordinate mapping of each scale.
        make_input: function that makes the input of a scale; only called as far as needed.
        network: the compiled network.
        early_exit: rule for skipping the remaining scales.
        alone: whether no other image is computed at the same time. If the network has the number of streams that
            `scale_streams` returned, as many scales are then computed at the same time.
    """

    def run(grid: Grid) -> ScoreMap:
        scale_input = make_input(grid)
        return scale_input.score_map(network.run(scale_input.canvas, *scale_input.extra_inputs))

    if alone and network.streams > 1:
        # The largest canvas comes first, so that no stream is left alone with it at the end.
        order = sorted(grids, key=lambda grid: -grid.scale)
        maps = {found.grid.scale: found for found in prefetch(run, order, threads=network.streams)}
        return [maps[grid.scale] for grid in grids]
    score_maps: list[ScoreMap] = []
    for grid in grids:
        if early_exit.is_final(score_maps):
            break
        score_maps.append(run(grid))
    return score_maps


def run_scales_many(
    items: Iterable[Item],
    prepare: Callable[[Item], tuple[Context, Iterable[ScaleInput]]],
    network: Network,
    early_exit: EarlyExit,
) -> Iterator[tuple[Context, list[ScoreMap]] | ImageError]:
    """Compute the score maps of many images, running canvases of equal shape in batches.

    Args:
        items: the images, read a few batches ahead.
        prepare: function that decodes an image, called in a thread. It returns a context, which is passed through,
            and one input per scale.
        network: the compiled network.
        early_exit: rule for skipping the remaining scales. Undecided images are batched again for their remaining
            scales.

    Yields:
        For each image, in order, its context and score maps, or the error that ``prepare`` raised.
    """

    def attempt(item: Item) -> tuple[_Job[Context] | ImageError, list[ScaleInput]]:
        try:
            context, inputs = prepare(item)
            ready = list(inputs)
        except ImageError as error:
            return error.without_traceback(), []
        first = len(ready) if early_exit.after is None else early_exit.after
        return _Job(context, remaining=ready[first:]), ready[:first]

    def run(batch: list[ScaleInput]) -> list[ScoreMap]:
        outputs = network.run_many([part.canvas for part in batch], [part.extra_inputs for part in batch])
        return [part.score_map(values) for part, values in zip(batch, outputs, strict=True)]

    def run_batches(
        jobs: Iterable[tuple[_Job[Context] | ImageError, list[ScaleInput]]],
    ) -> Iterator[tuple[_Job[Context] | ImageError, list[ScoreMap]]]:
        return in_batches(run, jobs, key=lambda part: part.canvas.shape, window=_window(network))

    def continued(
        finished: Iterable[tuple[_Job[Context] | ImageError, list[ScoreMap]]],
    ) -> Iterator[tuple[_Job[Context] | ImageError, list[ScaleInput]]]:
        for job, score_maps in finished:
            if isinstance(job, ImageError):
                yield job, []
            else:
                remaining = () if early_exit.is_final(score_maps) else job.remaining
                yield _Job(job.context, finished=score_maps), list(remaining)

    results = run_batches(prefetch(attempt, items, threads=network.threads, depth=2 * network.threads))
    if early_exit.after is not None:
        results = run_batches(continued(results))
    for job, score_maps in results:
        yield job if isinstance(job, ImageError) else (job.context, [*job.finished, *score_maps])


def window_start(index: int, network: Network) -> int:
    """Return the index of the first image whose canvases `run_scales_many` may batch with those of an image.

    Args:
        index: index of the image.
        network: the compiled network.
    """
    return index - index % _window(network)


def _window(network: Network) -> int:
    """Return the number of consecutive images whose canvases are batched."""
    return 2 * network.batch


@dataclass(frozen=True, eq=False)
class _Job(Generic[Context]):
    """An image in progress.

    Attributes:
        context: the context from ``prepare``, passed through to the result.
        remaining: inputs that are computed only if the image is undecided after the first scales.
        finished: score maps of the first scales.
    """

    context: Context
    remaining: Sequence[ScaleInput] = ()
    finished: Sequence[ScoreMap] = ()

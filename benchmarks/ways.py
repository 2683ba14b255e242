"""Ways of looking at an image of which the maps at all scales are known: what each finds, and what it costs.

The cost is counted in pixels of canvases; the network's work is proportional to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.subject import Subject
from freeloc._typing import Float32Array, Float64Array
from freeloc.datasets import Sample
from freeloc.geometry.grid import Grid
from freeloc.inference.fusion import localize
from freeloc.inference.score_map import ScoreMap, align_sigmoid, fusion_lattice
from freeloc.io.progress import track

__all__ = ["CONTEXT", "NOWHERE", "Found", "Regions", "Scales", "Way", "early_stop", "find", "single_stop"]

CONTEXT = 4
"""Cells around a region that the network must see as well, for what lies beyond them to change little. Run on
crops with four cells around (scale 2, 504 images), it gave scores that differ by 0.05 on average, and points
as good as those of whole canvases; with two it was 0.16, and a quarter of a percent in the pointing game."""

_ROUND = 1
"""Cells added to a region so that every place in it lies between cells that were computed."""

Box: TypeAlias = tuple[slice, slice]

NOWHERE: Box = (slice(0, 0), slice(0, 0))
"""A region without a cell."""


@dataclass(frozen=True, eq=False)
class Found:
    """What one way of looking found in N images.

    Attributes:
        pixels: (N,) float64 share of the pixels of all scales that was looked at.
        scores: (N, K) float32.
        points: (N, K, 2) float64 in image pixels.
    """

    pixels: Float64Array
    scores: Float32Array
    points: Float64Array


@dataclass(frozen=True)
class Scales:
    """Look at some scales, whatever the image.

    Attributes:
        scales: which.
    """

    scales: tuple[float, ...]

    def __call__(self, maps: Sequence[ScoreMap]) -> tuple[list[ScoreMap], int]:
        """The maps this way sees, and how many pixels of canvases that takes."""
        seen = [scale_map for scale_map in maps if scale_map.grid.scale in self.scales]
        return seen, sum(_pixels(scale_map.grid) for scale_map in seen)


@dataclass(frozen=True)
class Regions:
    """Look at some scales as a whole, and at finer ones only where something may be.

    A rectangle is looked at that holds every place where the coarse scales' fused map of a class reaches the
    threshold and the wanted share of the class's own highest value. Elsewhere the coarse scales stand in for the
    fine one. This is an estimate: cells are taken from maps of whole canvases, and `CONTEXT` is paid for only.

    Attributes:
        first: the coarse scales.
        fine: the others.
        threshold: of the fused maps, between 0 and 1.
        near: share of a class's highest value, between 0 and 1; 0 asks for nothing more than the threshold.
    """

    first: tuple[float, ...]
    fine: tuple[float, ...]
    threshold: float
    near: float

    def __call__(self, maps: Sequence[ScoreMap]) -> tuple[list[ScoreMap], int]:
        """The maps this way sees, and how many pixels of canvases that takes."""
        seen, cost = Scales(self.first)(maps)
        fused = np.mean([_aligned(scale_map) for scale_map in seen], axis=0)
        peaks = np.mean([scale_map.peaks for scale_map in seen], axis=0)
        wanted = self.wanted(fused)
        for scale_map in Scales(self.fine)(maps)[0]:
            box = region(scale_map.grid, wanted)
            seen.append(_within(scale_map, box, fused, peaks))
            cost += region_pixels(scale_map.grid, box)
        return seen, cost

    def wanted(self, fused: Float32Array) -> npt.NDArray[np.bool_]:
        """(rows, cols) where (K, rows, cols) fused maps ask for a finer look."""
        floor = np.maximum(self.threshold, self.near * fused.max(axis=(1, 2), keepdims=True))
        places: npt.NDArray[np.bool_] = (fused >= floor).any(axis=0)
        return places


Way: TypeAlias = Scales | Regions


def find(subject: Subject, samples: Sequence[Sample], ways: Iterable[Way], name: str) -> list[Found]:
    """What every way finds, from one look at each image at all scales.

    Args:
        subject: the model.
        samples: N images.
        ways: how to look.
        name: for the line of progress.
    """
    ways = list(ways)
    pixels = np.empty((len(ways), len(samples)))
    scores = np.empty((*pixels.shape, len(subject.model.header.classes)), np.float32)
    points = np.empty((*scores.shape, 2))
    looked = subject.localizer().score_maps_many(sample.path for sample in samples)
    for number, maps in enumerate(track(looked, name, len(samples))):
        everything = sum(_pixels(scale_map.grid) for scale_map in maps)
        for place, way in enumerate(ways):
            seen, cost = way(maps)
            result = localize(seen, subject.model.header.classes)
            pixels[place, number] = cost / everything
            scores[place, number], points[place, number] = result.scores, result.points
    return [Found(*parts) for parts in zip(pixels, scores, points, strict=True)]


def early_stop(
    first: Found, second: Found, margin: float, shift: npt.ArrayLike = 0.0
) -> tuple[Found, npt.NDArray[np.bool_]]:
    """Go on to a second way only where the first leaves a class undecided.

    Args:
        first: what the first way found.
        second: what the second found; it looks at all that the first looks at, so its cost holds the first's.
        margin: an image goes on where some class's score is nearer to 0 than this.
        shift: added to the scores of images that stop; one number, or one for each class.

    Returns:
        What is found, and (N,) bool which images go on.
    """
    on = np.abs(first.scores).min(axis=1) < margin
    stopped = (first.scores + np.asarray(shift, np.float32)).astype(np.float32)
    found = Found(
        np.where(on, second.pixels, first.pixels),
        np.where(on[:, None], second.scores, stopped),
        np.where(on[:, None, None], second.points, first.points),
    )
    return found, on


def single_stop(first: Found, second: Found, margin: float) -> tuple[Found, npt.NDArray[np.bool_]]:
    """Go on for one wanted class, only where the first way leaves it possible; every class takes its turn.

    Args:
        first: what the first way found.
        second: as in `early_stop`.
        margin: an image goes on where the wanted class's score is above minus this.

    Returns:
        What is found of each class when it is the wanted one, with the pixels of an image averaged over
        classes, and (N, K) bool where it goes on.
    """
    on = first.scores > -margin
    found = Found(
        np.where(on, second.pixels[:, None], first.pixels[:, None]).mean(axis=1),
        np.where(on, second.scores, first.scores),
        np.where(on[..., None], second.points, first.points),
    )
    return found, on


def region(grid: Grid, wanted: npt.NDArray[np.bool_]) -> Box:
    """Rows and columns of the smallest rectangle of valid cells around the wanted places of the fusion lattice."""
    if not wanted.any():
        return NOWHERE
    cells = _lattice_cells(grid)[wanted]
    first = np.maximum(np.floor(cells.min(axis=0)).astype(int) - _ROUND, 0)
    last = np.minimum(
        np.ceil(cells.max(axis=0)).astype(int) + _ROUND, (grid.valid_rows - 1, grid.valid_cols - 1)
    )
    return slice(int(first[0]), int(last[0]) + 1), slice(int(first[1]), int(last[1]) + 1)


def region_pixels(grid: Grid, box: Box) -> int:
    """Pixels of the part of a canvas that must be computed for a region: the region and its context."""
    if box == NOWHERE:
        return 0
    stride, window = grid.layout.stride, grid.layout.window or grid.layout.stride
    height, width = (
        (min(part.stop + CONTEXT, count) - max(part.start - CONTEXT, 0) - 1) * stride + window
        for part, count in zip(box, (grid.rows, grid.cols), strict=True)
    )
    area: int = height * width
    return area


def _within(scale_map: ScoreMap, box: Box, fused: Float32Array, peaks: Float32Array) -> ScoreMap:
    """A map of which only a region is seen; for the rest what the coarse scales say stands in."""
    if box == NOWHERE:
        return ScoreMap(scale_map.values, scale_map.grid, peaks, fused)
    rows, cols = box
    cells = _lattice_cells(scale_map.grid)
    inside = ((cells >= (rows.start, cols.start)) & (cells <= (rows.stop - 1, cols.stop - 1))).all(axis=-1)
    aligned = np.where(inside, _aligned(scale_map), fused)
    seen = scale_map.values[:, rows, cols]
    return ScoreMap(scale_map.values, scale_map.grid, seen.max(axis=(1, 2)), aligned)


def _lattice_cells(grid: Grid) -> Float64Array:
    """(rows, cols, 2) the fractional cells of the fusion lattice's places."""
    lattice = fusion_lattice(grid.image_size)
    return grid.to_cells(np.stack(np.meshgrid(lattice.xs, lattice.ys), axis=-1))


def _aligned(scale_map: ScoreMap) -> Float32Array:
    if scale_map.aligned is not None:
        return scale_map.aligned
    return align_sigmoid(scale_map.values, scale_map.grid, fusion_lattice(scale_map.grid.image_size))


def _pixels(grid: Grid) -> int:
    return grid.canvas.width * grid.canvas.height

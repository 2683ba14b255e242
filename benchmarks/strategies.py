"""Strategies for choosing scales and regions per image: their predictions and costs.

Strategies run on precomputed score maps of all scales. Their cost is the number of canvas pixels, to which the
work of the network is proportional. Accuracies are bootstrapped over images, to distinguish real differences from
chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.frontier import pareto_frontier
from benchmarks.workload import Workload
from freeloc._typing import Float32Array, Float64Array
from freeloc.datasets import Dataset
from freeloc.evaluation.annotations import Annotations
from freeloc.geometry.grid import Grid
from freeloc.inference.fusion import localize
from freeloc.inference.score_map import ScoreMap, align_sigmoid, fusion_lattice
from freeloc.io.progress import track
from freeloc.metrics import classification_ranking, location_ap, pointing_game
from freeloc.metrics.weighted_metric import class_means

__all__ = [
    "CONTEXT",
    "METRICS",
    "NO_REGION",
    "BootstrapMetrics",
    "FixedScales",
    "FrontierLine",
    "Outcome",
    "RefinedRegions",
    "Strategy",
    "apply_strategies",
    "early_exit",
    "region",
    "region_pixels",
    "single_class_exit",
]

CONTEXT = 4
"""Cells around a region that the network must also compute, so that the rest of the image has little effect. On
crops with four cells of context (scale 2, 504 images), scores differ by 0.05 on average from those of whole
canvases, and points are as accurate; with two cells, scores differ by 0.16, and the pointing game loses 0.25%."""

_ROUNDING = 1
"""Cells added to a region so that every position in it lies between computed cells."""

_SEED = 0

METRICS = ("classification", "location", "pointing")

CellRegion: TypeAlias = tuple[slice, slice]
Flags: TypeAlias = npt.NDArray[np.bool_]

NO_REGION: CellRegion = (slice(0, 0), slice(0, 0))
"""A region without cells."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Predictions and costs of a strategy on N images.

    Attributes:
        pixels: (N,) float64 computed pixels, as a fraction of those of all scales.
        scores: (N, K) float32.
        points: (N, K, 2) float64 in image coordinates.
    """

    pixels: Float64Array
    scores: Float32Array
    points: Float64Array


@dataclass(frozen=True)
class FixedScales:
    """Compute some scales of every image.

    Attributes:
        scales: the scales.
    """

    scales: tuple[float, ...]

    def __call__(self, maps: Sequence[ScoreMap]) -> tuple[list[ScoreMap], int]:
        """Return the computed maps, and their number of canvas pixels."""
        computed = [scale_map for scale_map in maps if scale_map.grid.scale in self.scales]
        return computed, sum(_pixels(scale_map.grid) for scale_map in computed)


@dataclass(frozen=True)
class RefinedRegions:
    """Compute some scales completely, and finer scales only in a region that may contain objects.

    The region is a rectangle around all positions at which the coarse scales' fused map of a class reaches both
    the threshold and a fraction of its maximum. Elsewhere, the coarse scales replace the fine one. This is an
    estimate: cells are taken from the maps of whole canvases, and `CONTEXT` only adds to the cost.

    Attributes:
        first: the coarse scales.
        fine: the finer scales.
        threshold: threshold of the fused maps, between 0 and 1.
        relative: fraction of the map's maximum, between 0 and 1; 0 applies only the threshold.
    """

    first: tuple[float, ...]
    fine: tuple[float, ...]
    threshold: float
    relative: float

    def __call__(self, maps: Sequence[ScoreMap]) -> tuple[list[ScoreMap], int]:
        """Return the computed maps, and their number of canvas pixels."""
        computed, cost = FixedScales(self.first)(maps)
        fused = np.mean([_aligned(scale_map) for scale_map in computed], axis=0)
        maxima = np.mean([scale_map.maxima for scale_map in computed], axis=0)
        selected = self.selected(fused)
        for scale_map in FixedScales(self.fine)(maps)[0]:
            cells = region(scale_map.grid, selected)
            computed.append(_restricted(scale_map, cells, fused, maxima))
            cost += region_pixels(scale_map.grid, cells)
        return computed, cost

    def selected(self, fused: Float32Array) -> Flags:
        """Return the (rows, cols) positions to refine, from (K, rows, cols) fused maps."""
        floor = np.maximum(self.threshold, self.relative * fused.max(axis=(1, 2), keepdims=True))
        positions: Flags = (fused >= floor).any(axis=0)
        return positions


Strategy: TypeAlias = FixedScales | RefinedRegions


def apply_strategies(
    workload: Workload, dataset: Dataset, strategies: Iterable[Strategy], name: str
) -> list[Outcome]:
    """Apply strategies to images, each of which is scored once at all scales.

    Args:
        workload: the model.
        dataset: N images.
        strategies: the strategies.
        name: name of the images in the progress bar.
    """
    strategies = list(strategies)
    pixels = np.empty((len(strategies), len(dataset)))
    scores = np.empty((*pixels.shape, len(workload.model.header.classes)), np.float32)
    points = np.empty((*scores.shape, 2))
    score_maps = workload.localizer().score_maps_many(sample.path for sample in dataset)
    for index, maps in enumerate(track(score_maps, name, len(dataset))):
        total = sum(_pixels(scale_map.grid) for scale_map in maps)
        for number, strategy in enumerate(strategies):
            computed, cost = strategy(maps)
            result = localize(computed, workload.model.header.classes)
            pixels[number, index] = cost / total
            scores[number, index], points[number, index] = result.scores, result.points
    return [Outcome(*parts) for parts in zip(pixels, scores, points, strict=True)]


def early_exit(
    first: Outcome, second: Outcome, margin: float, shift: npt.ArrayLike = 0.0
) -> tuple[Outcome, Flags]:
    """Continue with a second strategy only if the first leaves some class undecided.

    Args:
        first: outcome of the first strategy.
        second: outcome of the second; its cost includes that of the first, whose scales are among its own.
        margin: an image continues if the score of some class is closer to 0 than this.
        shift: added to the scores of images that do not continue; one number, or one per class.

    Returns:
        The outcome, and (N,) flags of images that continue.
    """
    continues = np.abs(first.scores).min(axis=1) < margin
    shifted = (first.scores + np.asarray(shift, np.float32)).astype(np.float32)
    outcome = Outcome(
        np.where(continues, second.pixels, first.pixels),
        np.where(continues[:, None], second.scores, shifted),
        np.where(continues[:, None, None], second.points, first.points),
    )
    return outcome, continues


def single_class_exit(first: Outcome, second: Outcome, margin: float) -> tuple[Outcome, Flags]:
    """Continue with a second strategy only if a single requested class is possible, for each class in turn.

    Args:
        first: outcome of the first strategy.
        second: outcome of the second, as in `early_exit`.
        margin: an image continues if the score of the requested class exceeds minus this value.

    Returns:
        The outcome for each class if it is the requested one, with pixels averaged over classes, and (N, K) flags
        of images that continue.
    """
    continues = first.scores > -margin
    outcome = Outcome(
        np.where(continues, second.pixels[:, None], first.pixels[:, None]).mean(axis=1),
        np.where(continues, second.scores, first.scores),
        np.where(continues[..., None], second.points, first.points),
    )
    return outcome, continues


# --- regions
# -------------------------------------------------------------------------------------------------


def region(grid: Grid, selected: Flags) -> CellRegion:
    """Return the smallest rectangle of valid cells around the selected positions of the fusion lattice."""
    if not selected.any():
        return NO_REGION
    cells = _lattice_cells(grid)[selected]
    first = np.maximum(np.floor(cells.min(axis=0)).astype(int) - _ROUNDING, 0)
    last = np.minimum(
        np.ceil(cells.max(axis=0)).astype(int) + _ROUNDING, (grid.valid_rows - 1, grid.valid_cols - 1)
    )
    return slice(int(first[0]), int(last[0]) + 1), slice(int(first[1]), int(last[1]) + 1)


def region_pixels(grid: Grid, cells: CellRegion) -> int:
    """Return the number of canvas pixels that must be computed for a region and its context."""
    if cells == NO_REGION:
        return 0
    stride, window = grid.layout.stride, grid.layout.window or grid.layout.stride
    height, width = (
        (min(part.stop + CONTEXT, count) - max(part.start - CONTEXT, 0) - 1) * stride + window
        for part, count in zip(cells, (grid.rows, grid.cols), strict=True)
    )
    area: int = height * width
    return area


def _restricted(
    scale_map: ScoreMap, region_cells: CellRegion, fused: Float32Array, maxima: Float32Array
) -> ScoreMap:
    """Return a map computed only in a region; outside it, the coarse scales' fused map replaces it."""
    if region_cells == NO_REGION:
        return ScoreMap(scale_map.values, scale_map.grid, maxima, fused)
    rows, cols = region_cells
    cells = _lattice_cells(scale_map.grid)
    inside = ((cells >= (rows.start, cols.start)) & (cells <= (rows.stop - 1, cols.stop - 1))).all(axis=-1)
    aligned = np.where(inside, _aligned(scale_map), fused)
    computed = scale_map.values[:, rows, cols]
    return ScoreMap(scale_map.values, scale_map.grid, computed.max(axis=(1, 2)), aligned)


def _lattice_cells(grid: Grid) -> Float64Array:
    """Return the (rows, cols, 2) fractional cells of the positions of the fusion lattice."""
    lattice = fusion_lattice(grid.image_size)
    return grid.to_cells(np.stack(np.meshgrid(lattice.xs, lattice.ys), axis=-1))


def _aligned(scale_map: ScoreMap) -> Float32Array:
    if scale_map.aligned is not None:
        return scale_map.aligned
    return align_sigmoid(scale_map.values, scale_map.grid, fusion_lattice(scale_map.grid.image_size))


def _pixels(grid: Grid) -> int:
    return grid.canvas.width * grid.canvas.height


# --- metrics
# -------------------------------------------------------------------------------------------------


class BootstrapMetrics:
    """Computation of `METRICS` on images and on bootstrap resamples of them.

    Args:
        annotations: annotations of N images.
        resamples: number of resamples, each of N images with replacement.
    """

    def __init__(self, annotations: Annotations, resamples: int) -> None:
        count = annotations.n_images
        generator = np.random.default_rng(_SEED)
        draws = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
        self._annotations = annotations
        self._weights = np.vstack((np.ones(count), draws))

    def __call__(self, outcome: Outcome) -> Float64Array:
        """Return (3, 1 + resamples) percentages of `METRICS`, of the original images first."""
        known = self._annotations
        location = location_ap(outcome.points, known.sizes, known.ground_truth, known.labels, outcome.scores)
        metrics = (
            classification_ranking(outcome.scores, known.labels),
            location.ranking,
            pointing_game(outcome.points, known.sizes, known.ground_truth, "all").counts,
        )
        return np.stack([100 * class_means(metric.values(self._weights)) for metric in metrics])


class FrontierLine:
    """Line through the frontier of some choices: the accuracy of mixtures of two choices at costs in between.

    Each metric has its own line. Its choices are selected on the original images, which favors the line.

    Args:
        costs: cost of each choice.
        values: (3, 1 + resamples) metrics of each choice, from `BootstrapMetrics`.
    """

    def __init__(self, costs: Sequence[float], values: Sequence[Float64Array]) -> None:
        self._lines = []
        for metric in range(len(METRICS)):
            best = pareto_frontier(costs, [float(value[metric, 0]) for value in values])
            corners = np.stack([values[index][metric] for index in best])
            self._lines.append((np.array([costs[index] for index in best]), corners))

    def above(self, cost: float, values: Float64Array) -> dict[str, tuple[float, float]]:
        """Return, for each metric, how far a choice lies above the line at its cost, and the standard error."""
        differences = {}
        for name, metric, (costs, corners) in zip(METRICS, values, self._lines, strict=True):
            position = np.interp(cost, costs, np.arange(len(costs)))
            left = int(position)
            right = min(left + 1, len(costs) - 1)
            line = corners[left] + (position - left) * (corners[right] - corners[left])
            difference = metric - line
            differences[name] = (
                round(float(difference[0]), 2),
                round(float(np.nanstd(difference[1:])), 2),
            )
        return differences

"""Salient and central points compared on the same predictions.

    python -m benchmarks.points --model voc20 --data DATA --split val

The table shows location AP with a tolerance of 18 pixels and of 0, the pointing game, and how deep points lie in
their boxes (`freeloc.metrics.point_depths`). A second table shows how many objects of classes with several
objects have a peak of their own, and how many peaks have an object, for several thresholds of peaks: of peaks of
the fused map alone, of those of the largest scales, and of those moved like central points. All values have 95%
intervals, and differences have paired intervals, by resampling images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.compared_model import open_model_and_data, percent
from benchmarks.workload import run
from freeloc._literals import PointKind
from freeloc._typing import Float64Array
from freeloc.datasets import Dataset
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.inference.boxes import MIN_PROBABILITY
from freeloc.inference.fusion import locate
from freeloc.inference.localizer import Localizer
from freeloc.inference.peaks import Peak
from freeloc.inference.result import Localization
from freeloc.io.progress import track
from freeloc.metrics import (
    GroundTruth,
    Interval,
    LocationOptions,
    WeightedMetric,
    bootstrap_intervals,
    location_ap,
    paired_bootstrap,
    point_depths,
    pointing_game,
)

__all__ = ["ImageRatio", "InstanceCounts", "count_instances", "main"]

KINDS: tuple[PointKind, PointKind] = ("salient", "central")
THRESHOLDS = (0.5, 0.6, 0.7, 0.8)
"""Relative thresholds of the peaks that are counted."""

ALONE, LARGEST, CENTRAL = "of the fused map", "of the largest scales", "of the largest scales, central"
"""Kinds of peaks that are counted."""


@dataclass(frozen=True, eq=False)
class ImageRatio(WeightedMetric):
    """The ratio of two sums over images.

    Attributes:
        part: (N,) what each image adds to the numerator.
        whole: (N,) what each image adds to the denominator.
    """

    part: Float64Array
    whole: Float64Array

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return len(self.part)

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        """Compute the ratio for B weightings of the images, as a (B, 1) array; NaN where the denominator is 0."""
        weight = self._weight_rows(weights)
        part, whole = weight @ self.part, weight @ self.whole
        ratio: Float64Array = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
        return ratio[:, None]


@dataclass(frozen=True, slots=True)
class InstanceCounts:
    """How peaks and objects match: each peak claims the smallest unclaimed box in which it lies.

    Attributes:
        peaks: number of peaks of present classes.
        hits: number of those that claim a box.
        several: number of objects of classes with several objects in their image.
        found: number of those that are claimed.
    """

    peaks: int = 0
    hits: int = 0
    several: int = 0
    found: int = 0

    def __add__(self, other: InstanceCounts) -> InstanceCounts:
        return InstanceCounts(
            self.peaks + other.peaks,
            self.hits + other.hits,
            self.several + other.several,
            self.found + other.found,
        )


def count_instances(peaks: Sequence[Peak], boxes: Float64Array, flagged: Sequence[bool]) -> InstanceCounts:
    """Match the peaks of a class in an image with its objects.

    Args:
        peaks: the peaks, highest first.
        boxes: (M, 4) annotated boxes of the class.
        flagged: whether each box is difficult or a crowd; such boxes are no objects, and a peak that lies only in
            them is not counted.
    """
    objects = [index for index, flag in enumerate(flagged) if not flag]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    free, counted = set(objects), 0
    for peak in peaks:
        point = np.array([peak.x, peak.y])
        inside = np.flatnonzero(((boxes[:, :2] <= point) & (point <= boxes[:, 2:])).all(axis=1)).tolist()
        own = [index for index in inside if index in free]
        if own:
            free.remove(min(own, key=lambda index: areas[index]))
        elif inside and all(flagged[index] for index in inside):
            continue
        counted += 1
    found = len(objects) - len(free)
    return InstanceCounts(counted, found, *((len(objects), found) if len(objects) > 1 else ()))


@dataclass(frozen=True, eq=False)
class _Collected:
    """What the tables are computed from; all kinds of points and peaks are found on the same maps."""

    points: dict[PointKind, Float64Array]
    scores: Float64Array
    counts: dict[tuple[str, float], list[InstanceCounts]]


def _collect(localizer: Localizer, dataset: Dataset, truth: GroundTruth) -> _Collected:
    shape = len(dataset), len(dataset.classes)
    points = {kind: np.empty((*shape, 2)) for kind in KINDS}
    scores = np.empty(shape)
    counts: dict[tuple[str, float], list[InstanceCounts]] = {
        (kind, threshold): [] for threshold in THRESHOLDS for kind in (ALONE, LARGEST, CENTRAL)
    }
    maps = localizer.score_maps_many([sample.image for sample in dataset])
    for index, scale_maps in enumerate(track(maps, "predicting", len(dataset))):
        result = localizer.localize(scale_maps)
        scores[index] = result.scores
        likely = np.flatnonzero(result.probabilities >= MIN_PROBABILITY)
        located = locate(scale_maps, "fused", "central", likely)
        points["salient"][index], points["central"][index] = result.points, located.points
        central = replace(result, points=located.points, responses=located.responses, point="central")
        kinds = {ALONE: replace(result, cues=None), LARGEST: result, CENTRAL: central}
        for (kind, threshold), found in counts.items():
            found.append(_count(kinds[kind], threshold, truth, index))
    return _Collected(points, scores, counts)


def _count(result: Localization, threshold: float, truth: GroundTruth, index: int) -> InstanceCounts:
    """Count the peaks and objects of all annotated classes of one image."""
    total, own = InstanceCounts(), truth.image == index
    for label in np.unique(truth.label[own]).tolist():
        chosen = own & (truth.label == label)
        flagged = (truth.difficult | truth.crowd)[chosen].tolist()
        peaks = result.peaks(result.classes[label], relative_threshold=threshold)
        total += count_instances(peaks, truth.boxes[chosen], flagged)
    return total


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables in Markdown."""
    localizer, dataset = open_model_and_data("points", __doc__, arguments)
    truth = ground_truth_of(dataset)
    found = _collect(localizer, dataset, truth)
    _print_points(found, dataset, truth)
    print()
    _print_peaks(found)


def _print_points(found: _Collected, dataset: Dataset, truth: GroundTruth) -> None:
    sizes = dataset.image_sizes()
    print("| points | location AP, 18 pixels | 0 pixels | pointing game | depth |")
    print("|---|---|---|---|---|")
    measured: dict[PointKind, list[WeightedMetric]] = {}
    for kind in KINDS:
        points = found.points[kind]
        options = [LocationOptions(tolerance=float(tolerance)) for tolerance in (18, 0)]
        depths = point_depths(points, sizes, truth)
        measured[kind] = [
            *(
                location_ap(points, sizes, truth, dataset.labels, found.scores, options=each).ranking
                for each in options
            ),
            pointing_game(points, sizes, truth).counts,
            ImageRatio(
                np.nansum(depths, axis=1), np.count_nonzero(~np.isnan(depths), axis=1).astype(np.float64)
            ),
        ]
        print(_row([kind], measured[kind]))
    print(_difference(["difference"], measured["central"], measured["salient"]))


def _print_peaks(found: _Collected) -> None:
    print("| minimum value | peaks | objects found | peaks with an object |")
    print("|---|---|---|---|")
    for threshold in THRESHOLDS:
        name = f"{threshold:g}"
        alone, largest, central = (
            _recall_and_precision(found.counts[kind, threshold]) for kind in (ALONE, LARGEST, CENTRAL)
        )
        print(_row([name, ALONE], alone))
        print(_row([name, LARGEST], largest))
        print(_difference([name, "difference"], largest, alone))
        print(_row([name, CENTRAL], central))
        print(_difference([name, "difference, central"], central, largest))


def _recall_and_precision(counts: Sequence[InstanceCounts]) -> list[WeightedMetric]:
    peaks, hits, several, found = np.array(
        [(each.peaks, each.hits, each.several, each.found) for each in counts], np.float64
    ).T
    return [ImageRatio(found, several), ImageRatio(hits, peaks)]


def _row(names: Sequence[str], metrics: Sequence[WeightedMetric]) -> str:
    return _cells(names, [bootstrap_intervals(metric).mean for metric in metrics])


def _difference(
    names: Sequence[str], metrics: Sequence[WeightedMetric], others: Sequence[WeightedMetric]
) -> str:
    """Return the row of the first metrics minus the others."""
    pairs = zip(metrics, others, strict=True)
    return _cells(names, [paired_bootstrap(metric, other).mean for metric, other in pairs])


def _cells(names: Sequence[str], values: Sequence[Interval]) -> str:
    return f"| {' | '.join([*names, *map(percent, values)])} |"


if __name__ == "__main__":
    run(main)

"""Salient and central points compared on the same predictions.

    python -m benchmarks.points --model voc20 --data DATA --split val

The table shows location AP with a tolerance of 18 pixels and of 0, the pointing game, and how deep points lie in
their boxes (`freeloc.metrics.point_depths`), with 95% intervals, and the differences with their paired
intervals. A second table shows how many objects of classes with several objects have a peak of their own, and
how many peaks have an object, for several thresholds of peaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
from freeloc.io.progress import track
from freeloc.metrics import (
    GroundTruth,
    LocationOptions,
    bootstrap_intervals,
    location_ap,
    paired_bootstrap,
    point_depths,
    pointing_game,
)

__all__ = ["InstanceCounts", "count_instances", "main"]

KINDS: tuple[PointKind, PointKind] = ("salient", "central")
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Relative thresholds of the peaks that are counted."""


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

    @property
    def precision(self) -> float:
        """Fraction of the peaks that claim a box."""
        return self.hits / max(self.peaks, 1)

    @property
    def recall(self) -> float:
        """Fraction of the objects of classes with several objects that are claimed."""
        return self.found / max(self.several, 1)


def count_instances(peaks: Sequence[Peak], boxes: Float64Array, flagged: Sequence[bool]) -> InstanceCounts:
    """Match the peaks of a class in an image with its objects.

    Args:
        peaks: the peaks, highest first.
        boxes: (M, 4) annotated boxes of the class.
        flagged: whether each box is difficult or a crowd; such boxes are no objects, and a peak that lies only
            in them
            is not counted.
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
    """What the tables are computed from; both kinds of points are found on the same maps."""

    points: dict[PointKind, Float64Array]
    scores: Float64Array
    counts: dict[float, InstanceCounts]


def _collect(localizer: Localizer, dataset: Dataset, truth: GroundTruth) -> _Collected:
    shape = len(dataset), len(dataset.classes)
    points = {kind: np.empty((*shape, 2)) for kind in KINDS}
    scores = np.empty(shape)
    counts = dict.fromkeys(THRESHOLDS, InstanceCounts())
    maps = localizer.score_maps_many([sample.image for sample in dataset])
    for index, scale_maps in enumerate(track(maps, "predicting", len(dataset))):
        result = localizer.localize(scale_maps)
        scores[index] = result.scores
        points["salient"][index] = result.points
        likely = np.flatnonzero(result.probabilities >= MIN_PROBABILITY)
        points["central"][index] = locate(scale_maps, "fused", "central", likely).points
        own = truth.image == index
        for label in np.unique(truth.label[own]).tolist():
            chosen = own & (truth.label == label)
            flagged = (truth.difficult | truth.crowd)[chosen].tolist()
            for threshold in THRESHOLDS:
                peaks = result.peaks(dataset.classes[label], relative_threshold=threshold)
                counts[threshold] += count_instances(peaks, truth.boxes[chosen], flagged)
    return _Collected(points, scores, counts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables in Markdown."""
    localizer, dataset = open_model_and_data("points", __doc__, arguments)
    truth = ground_truth_of(dataset)
    found = _collect(localizer, dataset, truth)
    _print_points(found, dataset, truth)
    print()
    print("| minimum value of peaks | objects found | peaks with an object |")
    print("|---|---|---|")
    for threshold, counts in found.counts.items():
        print(f"| {threshold:g} | {100 * counts.recall:.1f} | {100 * counts.precision:.1f} |")


def _print_points(found: _Collected, dataset: Dataset, truth: GroundTruth) -> None:
    sizes = dataset.image_sizes()
    print("| points | location AP, 18 pixels | 0 pixels | pointing game | depth |")
    print("|---|---|---|---|---|")
    rankings = {}
    for kind in KINDS:
        points = found.points[kind]
        options = [LocationOptions(tolerance=float(tolerance)) for tolerance in (18, 0)]
        measured = [
            *(
                location_ap(points, sizes, truth, dataset.labels, found.scores, options=each).ranking
                for each in options
            ),
            pointing_game(points, sizes, truth).counts,
        ]
        rankings[kind] = measured
        depth = float(np.nanmean(point_depths(points, sizes, truth)))
        cells = [percent(bootstrap_intervals(each).mean) for each in measured]
        print(f"| {kind} | {' | '.join(cells)} | {100 * depth:.1f} |")
    pairs = zip(rankings["central"], rankings["salient"], strict=True)
    differences = [percent(paired_bootstrap(central, salient).mean) for central, salient in pairs]
    print(f"| difference | {' | '.join(differences)} | |")


if __name__ == "__main__":
    run(main)

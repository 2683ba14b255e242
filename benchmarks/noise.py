"""How far accuracies are from each other beside what chance does: the same images, drawn anew many times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.pareto import frontier
from benchmarks.subject import Truth
from benchmarks.ways import Found
from freeloc._typing import Float64Array
from freeloc.metrics import classification_ranking, location_ap, pointing_game
from freeloc.metrics.weighted_metric import class_means

__all__ = ["MEASURES", "Line", "Ruler"]

MEASURES = ("classification", "location", "pointing")

_SEED = 0


class Ruler:
    """Measures what was found on the images as they are, and on many draws of them.

    Args:
        truth: of N images.
        resamples: number of draws; each draws N of N with replacement.
    """

    def __init__(self, truth: Truth, resamples: int) -> None:
        count = len(truth.sizes)
        generator = np.random.default_rng(_SEED)
        draws = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
        self._truth = truth
        self._weights = np.vstack((np.ones(count), draws))

    def __call__(self, found: Found) -> Float64Array:
        """(3, 1 + resamples) percentages of `MEASURES`, first on the images as they are."""
        truth = self._truth
        metrics = (
            classification_ranking(found.scores, truth.labels),
            location_ap(found.points, truth.sizes, truth.ground_truth, truth.labels, found.scores).ranking,
            pointing_game(found.points, truth.sizes, truth.ground_truth, "all").counts,
        )
        return np.stack([100 * class_means(metric.values(self._weights)) for metric in metrics])


class Line:
    """The line through the best of some choices: what a mixture of them gives at any cost between theirs.

    Every measure has a line of its own. The best are taken on the images as they are, which favours the line.

    Args:
        costs: of the choices.
        values: (3, 1 + resamples) of each, as `Ruler` gives them.
    """

    def __init__(self, costs: Sequence[float], values: Sequence[Float64Array]) -> None:
        self._lines = []
        for measure in range(len(MEASURES)):
            best = frontier(costs, [float(value[measure, 0]) for value in values])
            corners = np.stack([values[index][measure] for index in best])
            self._lines.append((np.array([costs[index] for index in best]), corners))

    def above(self, cost: float, values: Float64Array) -> dict[str, tuple[float, float]]:
        """How far a choice lies above the lines at its cost: the difference, and its standard error."""
        found = {}
        for name, own, (costs, corners) in zip(MEASURES, values, self._lines, strict=True):
            place = np.interp(cost, costs, np.arange(len(costs)))
            left = int(place)
            right = min(left + 1, len(costs) - 1)
            there = corners[left] + (place - left) * (corners[right] - corners[left])
            difference = own - there
            found[name] = (round(float(difference[0]), 2), round(float(np.nanstd(difference[1:])), 2))
        return found

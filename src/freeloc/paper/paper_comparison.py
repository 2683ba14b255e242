"""Our rows beside those that the paper printed, class by class.

If both were evaluated on the same images, the difference is computed, too. The paper's predictions are not known,
so its values are taken as they are: the interval of a difference is that of our value, shifted. It shows how much
our value depends on the choice of the images, and disregards that the paper's value depends on it, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.evaluation.options import EvaluationOptions
from freeloc.evaluation.to_json import interval_as_json
from freeloc.metrics import Interval, WeightedMetric, bootstrap_intervals
from freeloc.paper.measured_rows import MeasuredRow
from freeloc.paper.published_classes import PublishedClasses

__all__ = ["PaperComparison", "compare_with_paper", "minus"]


@dataclass(frozen=True, eq=False)
class PaperComparison:
    """One row of the paper, and ours.

    Attributes:
        published: the row of the paper.
        title: title of our row in tables; "" if we have none.
        classes: the K classes of the study whose values the paper printed.
        ours: our values of these classes, as fractions; empty if we have none.
        mean: our mean over these classes; None if we have none.
        differences: our value minus the paper's for each of these classes, as fractions; empty if the images
            differ or our row did not converge.
        mean_difference: difference of the means over these classes; None if ``differences`` is empty.
    """

    published: PublishedClasses
    title: str
    classes: tuple[str, ...]
    ours: tuple[Interval, ...] = ()
    mean: Interval | None = None
    differences: tuple[Interval, ...] = ()
    mean_difference: Interval | None = None

    @property
    def published_mean(self) -> float:
        """Mean of the paper's values of these classes, in percent."""
        return sum(self.published.values[name] for name in self.classes) / len(self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values in percent; undefined values are null."""
        one = self.published
        return {
            "row": one.row or None,
            "letter": one.letter,
            "title": one.title,
            "measure": one.key,
            "data": one.data,
            "source": one.source,
            "same_images": bool(self.differences),
            "classes": {
                name: {
                    "paper": one.values[name],
                    "ours": interval_as_json(self.ours[index]) if self.ours else None,
                    "difference": interval_as_json(self.differences[index]) if self.differences else None,
                }
                for index, name in enumerate(self.classes)
            },
            "mean": {
                "paper": round(self.published_mean, 3),
                "ours": None if self.mean is None else interval_as_json(self.mean),
                "difference": None
                if self.mean_difference is None
                else interval_as_json(self.mean_difference),
            },
        }


def compare_with_paper(
    published: Sequence[PublishedClasses],
    rows: Mapping[str, MeasuredRow],
    classes: Sequence[str],
    options: EvaluationOptions,
    *,
    same_images: bool,
) -> tuple[PaperComparison, ...]:
    """Set the paper's rows beside ours; rows of the paper without any of the classes are left out.

    Args:
        published: the rows of the paper.
        rows: our rows, by key.
        classes: the classes of the study.
        options: number of resamples and seed of the intervals.
        same_images: whether the study has the images of the paper.
    """
    compared = []
    for one in published:
        row = rows.get(one.row)
        visible = tuple(one.visible_classes(classes))
        if not visible or (one.row and row is None):
            continue
        if row is None or one.key not in row.metrics:
            compared.append(PaperComparison(one, "", visible))
            continue
        chosen = _ChosenClasses(row.metrics[one.key], [classes.index(name) for name in visible])
        ours = bootstrap_intervals(chosen, resamples=options.resamples, seed=options.seed)
        comparison = PaperComparison(one, row.title, visible, ours.classes, ours.mean)
        if same_images and one.same_split and row.converged:
            values = [one.values[name] / 100 for name in visible]
            differences = tuple(map(minus, ours.classes, values))
            mean_difference = minus(ours.mean, comparison.published_mean / 100)
            comparison = replace(comparison, differences=differences, mean_difference=mean_difference)
        compared.append(comparison)
    return tuple(compared) if any(item.ours for item in compared) else ()


def minus(interval: Interval, value: float) -> Interval:
    """Return an interval minus a known number; NaN stays NaN."""
    return Interval(interval.estimate - value, interval.low - value, interval.high - value)


class _ChosenClasses(WeightedMetric):
    """A metric of some of its classes, so that the mean covers only these."""

    def __init__(self, metric: WeightedMetric, columns: Sequence[int]) -> None:
        self._metric = metric
        self._columns = list(columns)

    @property
    def n_images(self) -> int:
        return self._metric.n_images

    def values(self, weights: npt.ArrayLike) -> Float64Array:
        chosen: Float64Array = np.asarray(self._metric.values(weights))[:, self._columns]
        return chosen

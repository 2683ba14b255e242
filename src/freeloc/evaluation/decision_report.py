"""What a model's thresholds decide on a dataset: precision, recall and F1 of each class, for reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeloc._typing import BoolArray, Float64Array
from freeloc.evaluation.to_json import percent
from freeloc.models.thresholds import best_f1_threshold

__all__ = ["ClassDecisions", "DecisionReport", "decision_report"]


@dataclass(frozen=True, slots=True)
class ClassDecisions:
    """Decisions about one class: the images whose probability reaches the threshold count as having it.

    Attributes:
        threshold: the model's threshold.
        precision: fraction of the images counted as present that have the class; NaN if there are none.
        recall: fraction of the images with the class that are counted as present; NaN without such images.
        f1: harmonic mean of precision and recall: 2 · hits / (images counted + images with the class).
        best_threshold: the threshold that fits these images best (`freeloc.models.thresholds.best_f1_threshold`);
            NaN unless some images have the class and some do not.
        best_f1: F1 at that threshold.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    best_threshold: float
    best_f1: float


@dataclass(frozen=True)
class DecisionReport:
    """Decisions of a model about all classes.

    Attributes:
        name: model name shown in tables.
        classes: the decisions about each of the K classes.
    """

    name: str
    classes: tuple[ClassDecisions, ...]

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON values in percent; NaN becomes null."""
        return {
            "name": self.name,
            "classes": {
                name: {
                    "threshold": percent(item.threshold),
                    "precision": percent(item.precision),
                    "recall": percent(item.recall),
                    "f1": percent(item.f1),
                    "best_threshold": percent(item.best_threshold),
                    "best_f1": percent(item.best_f1),
                }
                for name, item in zip(names, self.classes, strict=True)
            },
        }


def decision_report(
    name: str, probabilities: npt.ArrayLike, thresholds: npt.ArrayLike, labels: npt.ArrayLike
) -> DecisionReport:
    """Measure the decisions of a model.

    Args:
        name: model name shown in tables.
        probabilities: (N, K) from 0 to 1.
        thresholds: (K,) minimum probabilities at which the classes count as present.
        labels: (N, K) values −1, 0 or +1; pairs with label 0 are left out.
    """
    probability, label = np.asarray(probabilities, np.float64), np.asarray(labels)
    minimum = np.asarray(thresholds, np.float64)
    classes = []
    for k in range(label.shape[1]):
        known = label[:, k] != 0
        classes.append(_class_decisions(probability[known, k], label[known, k] > 0, float(minimum[k])))
    return DecisionReport(name, tuple(classes))


def _class_decisions(probability: Float64Array, present: BoolArray, threshold: float) -> ClassDecisions:
    precision, recall, f1 = _measure(probability >= threshold, present)
    best, best_f1 = float("nan"), float("nan")
    if present.any() and not present.all():
        best = best_f1_threshold(probability, present)
        best_f1 = _measure(probability >= best, present)[2]
    return ClassDecisions(threshold, precision, recall, f1, best, best_f1)


def _measure(counted: BoolArray, present: BoolArray) -> tuple[float, float, float]:
    """Return precision, recall and F1."""
    hits, guesses, positives = (int(each.sum()) for each in (counted & present, counted, present))
    return _ratio(hits, guesses), _ratio(hits, positives), _ratio(2 * hits, guesses + positives)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

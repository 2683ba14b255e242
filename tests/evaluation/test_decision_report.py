"""What thresholds decide: precision, recall and F1, computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from freeloc.evaluation.decision_report import decision_report
from freeloc.models.thresholds import best_f1_threshold


def test_decisions_of_two_classes_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.5, 0.1], [0.4, 0.1], [0.3, 0.1], [0.2, 0.1]])
    labels = np.array([[1, -1], [-1, -1], [1, -1], [0, -1], [-1, -1]])
    report = decision_report("model", probabilities, [0.5, 0.6], labels)
    first, second = report.classes
    # Counted: 0.9 (right) and, exactly at the threshold, 0.5 (wrong); 0.4 is missed, and 0.3 is unknown.
    assert (first.threshold, first.precision, first.recall, first.f1) == (0.5, 0.5, 0.5, 0.5)
    best = best_f1_threshold(probabilities[[0, 1, 2, 4], 0], np.array([True, False, True, False]))
    assert first.best_threshold == best
    assert first.best_f1 == pytest.approx(0.8)  # 0.9, 0.5 and 0.4: two hits, one false
    assert second.threshold == 0.6
    values = (second.precision, second.recall, second.f1, second.best_threshold, second.best_f1)
    assert all(map(math.isnan, values))
    page = report.to_dict(("cat", "dog"))
    assert page["classes"]["cat"]["precision"] == 50.0
    assert page["classes"]["dog"]["recall"] is None

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve as sklearn_curve

from freeloc.metrics.precision_recall import precision_recall_curve

# Ranked best first: absent, present, present, absent, present; see test_average_precision.
SCORES = [0.9, 0.8, 0.7, 0.6, 0.5]
LABELS = [-1, 1, 1, -1, 1]


def test_hand_worked_curve() -> None:
    curve = precision_recall_curve(SCORES, np.array(LABELS) > 0)
    assert curve.thresholds.tolist() == SCORES
    assert curve.precision == pytest.approx([0, 1 / 2, 2 / 3, 2 / 4, 3 / 5])
    assert curve.recall == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1])
    assert curve.envelope == pytest.approx([2 / 3, 2 / 3, 2 / 3, 3 / 5, 3 / 5])
    assert curve.n_positives == 3


def test_curve_equals_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    scores, present = rng.integers(0, 40, 200) / 8, rng.random(200) < 0.3
    precision, recall, thresholds = sklearn_curve(present, scores)
    curve = precision_recall_curve(scores, present)
    assert curve.thresholds == pytest.approx(thresholds[::-1])
    assert curve.precision == pytest.approx(precision[:-1][::-1])
    assert curve.recall == pytest.approx(recall[:-1][::-1])

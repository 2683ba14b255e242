"""Decision rules: probabilities and thresholds with and without a calibration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from freeloc.inference.decision import DecisionRule
from freeloc.models.calibration import Calibration

SCORES = np.array([-3.0, 0.0, 40.0], np.float32)


def test_without_a_calibration_probabilities_are_the_logistic_of_the_scores() -> None:
    rule = DecisionRule(threshold=0.7)
    np.testing.assert_allclose(rule.probabilities(SCORES), expit(SCORES), rtol=1e-6)
    np.testing.assert_array_equal(rule.log_odds(SCORES), SCORES)
    assert rule.thresholds(3).tolist() == [0.7, 0.7, 0.7]


def test_a_calibration_sets_probabilities_and_one_threshold_per_class() -> None:
    rule = DecisionRule(Calibration((0.5, 1.0, 2.0), (1.0, 0.0, -3.0), (0.2, 0.5, 0.9)), threshold=0.7)
    odds = np.array([-0.5, 0.0, 77.0])
    np.testing.assert_allclose(rule.log_odds(SCORES), odds)
    np.testing.assert_allclose(rule.probabilities(SCORES), expit(odds), rtol=1e-6)
    assert rule.probabilities(SCORES).dtype == np.float32
    assert rule.thresholds(3).tolist() == [0.2, 0.5, 0.9]


def test_thresholds_of_another_number_of_classes_are_an_error() -> None:
    rule = DecisionRule(Calibration((1.0, 1.0), (0.0, 0.0), (0.5, 0.5)))
    with pytest.raises(ValueError, match="broadcast"):
        rule.thresholds(3)

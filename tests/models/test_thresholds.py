"""Thresholds compared with all candidates, and with those that a few positives alone would determine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from freeloc.models.thresholds import best_f1_threshold


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=15))
def test_no_threshold_has_a_better_f1(pairs: list[tuple[int, bool]]) -> None:
    probabilities = np.array([part / 20 for part, _ in pairs])
    present = np.array([label for _, label in pairs])
    present[0] = True
    chosen = best_f1_threshold(probabilities, present, prior_positives=0.0)
    best = max(f1_score(present, probabilities >= threshold) for threshold in probabilities)
    assert f1_score(present, probabilities >= chosen) == pytest.approx(best)
    assert 0 < chosen <= 1
    assert chosen not in probabilities  # a midpoint, so that rounding moves no image across


def test_a_few_positives_do_not_determine_the_threshold_alone() -> None:
    probabilities = np.linspace(0.001, 0.999, 999) ** 6
    present = np.zeros(999, bool)
    present[-1] = True
    assert best_f1_threshold(probabilities, present, prior_positives=0.0) > 0.99
    # For accurate probabilities, the best threshold is half of the best F1.
    assert 0.2 < best_f1_threshold(probabilities, present) < 0.6
    generator = np.random.default_rng(0)
    many = np.tile(probabilities, 50)
    labels = generator.random(len(many)) < many
    alone, together = (best_f1_threshold(many, labels, prior) for prior in (0.0, 10.0))
    assert alone == pytest.approx(together, abs=0.03)

"""Labels that confident predictions contradict."""

from __future__ import annotations

import numpy as np
import pytest

from freeloc.metrics.disagreement import find_disagreements


def test_swapped_labels_are_found_and_no_others() -> None:
    rng = np.random.default_rng(0)
    truth = np.where(rng.random((300, 2)) < 0.4, 1, -1)
    probabilities = np.clip(np.where(truth > 0, 0.9, 0.1) + rng.normal(0, 0.04, truth.shape), 0.001, 0.999)
    labels = truth.copy()
    wrong = {(5, 0), (17, 1), (200, 0), (201, 1)}
    for image, label in wrong:
        labels[image, label] *= -1
    found = find_disagreements(probabilities, labels)
    assert {(item.image, item.label) for item in found} <= {*wrong}
    assert len(found) == 2  # those beyond the means of the other label
    assert [item.strength for item in found] == sorted((item.strength for item in found), reverse=True)
    for item in found:
        assert item.is_present == (labels[item.image, item.label] > 0)
        assert item.probability == probabilities[item.image, item.label]


def test_the_thresholds_are_the_means_of_each_class() -> None:
    probabilities = np.array([[0.95], [0.85], [0.2], [0.1], [0.9], [0.05]])
    labels = np.array([[1], [1], [1], [-1], [-1], [-1]])
    # Means: present 2/3, absent 0.35; the limits are 0.7 and 0.3.
    found = find_disagreements(probabilities, labels)
    assert [(item.image, item.is_present) for item in found] == [(4, False), (2, True)]
    assert [item.strength for item in found] == pytest.approx([0.2 / 0.3, 0.1 / 0.3])
    sure = np.array([[0.99], [0.97], [0.01], [0.98], [0.01]])
    # Means: present 0.98, absent 1/3.
    found = find_disagreements(sure, np.array([[1], [1], [-1], [-1], [-1]]))
    assert [(item.image, item.is_present) for item in found] == [(3, False)]


def test_unknown_labels_and_classes_with_one_label_say_nothing() -> None:
    probabilities = np.array([[0.99, 0.99, 0.9], [0.01, 0.01, 0.1], [0.99, 0.5, 0.99]])
    labels = np.array([[0, 1, 1], [0, 1, -1], [0, 0, 0]])
    assert find_disagreements(probabilities, labels) == []
    assert find_disagreements(np.zeros((0, 2)), np.zeros((0, 2))) == []

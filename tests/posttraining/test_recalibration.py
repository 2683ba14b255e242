"""Recalibration: which classes are fitted, and whether cross-validation tells a better calibration from a worse one."""

from __future__ import annotations

import numpy as np
import pytest

from freeloc._typing import Float32Array
from freeloc.datasets import Labels
from freeloc.models.calibration import Calibration, logistic
from freeloc.models.platt_scaling import fit_calibration
from freeloc.posttraining.recalibration import compare_by_folds, informative_classes, recalibrate

IDENTITY = Calibration((1.0,) * 4, (0.0,) * 4, (0.5,) * 4)


def drawn(count: int, slope: float, offset: float, seed: int = 0) -> tuple[Float32Array, Labels]:
    """Scores of four classes, and labels that are present with probability logistic(slope · score + offset)."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(-1, 3, (count, 4)).astype(np.float32)
    present = generator.random(scores.shape) < logistic(slope * scores.astype(np.float64) + offset)
    return scores, np.where(present, 1, -1).astype(np.int8)


def test_wrong_probabilities_are_improved_and_right_ones_are_not() -> None:
    scores, labels = drawn(400, 0.4, -1.0)
    found = compare_by_folds(IDENTITY, scores, labels)
    assert found.helps
    assert found.error.after < 0.5 * found.error.before
    assert found.log_loss.after < 0.9 * found.log_loss.before
    truth = Calibration((0.4,) * 4, (-1.0,) * 4, (0.5,) * 4)
    assert not compare_by_folds(truth, scores, labels).helps


@pytest.mark.parametrize("seed", range(10))
def test_a_good_calibration_is_not_replaced_by_one_fitted_to_few_images(seed: int) -> None:
    scores, labels = drawn(30, 0.4, -1.0, seed)
    truth = Calibration((0.4,) * 4, (-1.0,) * 4, (0.5,) * 4)
    assert not compare_by_folds(truth, scores, labels).helps


def test_the_errors_before_are_those_of_the_model() -> None:
    scores, labels = (
        np.array([[2.0], [-1.0], [0.0], [3.0]], np.float32),
        np.array([[1], [-1], [0], [1]], np.int8),
    )
    found = compare_by_folds(Calibration((1.0,), (0.0,), (0.5,)), scores, labels)
    losses = -np.log([logistic(np.array(2.0)), 1 - logistic(np.array(-1.0)), logistic(np.array(3.0))])
    assert found.log_loss.before == pytest.approx(losses.mean())
    assert found.error.before == pytest.approx(np.mean(1 - np.exp(-losses)))  # each pair has a bin of its own
    assert (found.folds, found.repeats) == (4, 5)


def test_only_classes_with_and_without_images_are_fitted() -> None:
    scores, labels = drawn(50, 0.4, -1.0)
    labels[:, 0], labels[:, 1], labels[:, 2] = 1, -1, 0
    assert informative_classes(labels).tolist() == [False, False, False, True]
    previous = Calibration((0.5, 0.6, 0.7, 0.8), (1.0, 2.0, 3.0, 4.0), (0.1, 0.2, 0.3, 0.4))
    found = recalibrate(previous, scores, labels)
    assert found.select([0, 1, 2]) == previous.select([0, 1, 2])
    assert found.select([3]) == fit_calibration(scores[:, 3:], labels[:, 3:])


def test_images_that_say_nothing_change_nothing() -> None:
    scores, labels = drawn(2, 0.4, -1.0)
    found = compare_by_folds(IDENTITY, scores, labels)
    assert found.log_loss.after == found.log_loss.before
    assert not found.helps

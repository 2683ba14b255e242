"""The fit compared with scikit-learn, and properties that hold for any scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LogisticRegression

from freeloc.errors import ModelError
from freeloc.inference.score_map import sigmoid
from freeloc.metrics import calibration_error
from freeloc.models import platt_scaling
from freeloc.models.platt_scaling import fit_calibration


def drawn(seed: int, images: int, slopes: list[float], offsets: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels with exactly these log-odds."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(-2, 3, (images, len(slopes)))
    share = sigmoid(scores * slopes + offsets)
    return scores, np.where(generator.random(scores.shape) < share, 1, -1).astype(np.int8)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of a few images, with ties, outliers and unknown labels."""
    shape = draw(st.integers(1, 8)), draw(st.integers(1, 2))
    score = st.integers(-3, 3).map(float) | st.floats(-1e4, 1e4)
    scores = draw(hnp.arrays(np.float64, shape, elements=score, fill=st.nothing()))
    labels = draw(hnp.arrays(np.int8, shape, elements=st.sampled_from([-1, 0, 1]), fill=st.nothing()))
    return scores, labels


def problem(scores: list[float], labels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of one class."""
    return np.array(scores)[:, None], np.array(labels, np.int8)[:, None]


@pytest.mark.parametrize("seed", range(4))
def test_without_a_prior_the_fit_matches_scikit_learn(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels = drawn(seed, 400, [0.6, 1.2], [0.5, -2.0])
    labels[::7, 0] = 0
    monkeypatch.setattr(platt_scaling, "_SLOPE_PRIOR_WEIGHT", 0.0)
    found = fit_calibration(scores, labels)
    for k in range(2):
        known = labels[:, k] != 0
        own, right = scores[known, k], labels[known, k] > 0
        high, low = (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2)
        target = np.where(right, high, low)
        # A target between 0 and 1 is two images with weights.
        theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
            np.concatenate([own, own])[:, None],
            np.repeat([1, 0], len(own)),
            np.concatenate([target, 1 - target]),
        )
        assert found.slopes[k] == pytest.approx(theirs.coef_[0, 0], rel=1e-5)
        assert found.offsets[k] == pytest.approx(theirs.intercept_[0], rel=1e-4, abs=1e-4)


def test_the_prior_is_the_penalty_of_scikit_learn() -> None:
    scores, labels = drawn(5, 300, [0.4], [0.0])
    pairs = platt_scaling._Problem(scores, np.where(labels > 0, 0.9, 0.1), labels != 0)
    slope, offsets = pairs.fit(0.0, 25.0)
    target = pairs.targets[:, 0]
    theirs = LogisticRegression(C=1 / 25.0, tol=1e-10, max_iter=1000).fit(
        np.concatenate([scores, scores]), np.repeat([1, 0], 300), np.concatenate([target, 1 - target])
    )
    assert slope == pytest.approx(theirs.coef_[0, 0], rel=1e-5)
    assert offsets[0] == pytest.approx(theirs.intercept_[0], rel=1e-4, abs=1e-4)


def test_a_shared_slope_is_one_regression_with_an_offset_per_class() -> None:
    scores, labels = drawn(6, 200, [0.7, 0.5, 0.9], [0.0, -1.0, 1.5])
    pairs = platt_scaling._Problem(scores, np.where(labels > 0, 0.95, 0.05), labels != 0)
    slope, offsets = pairs.fit(1.0, 0.0)
    columns = np.concatenate(
        [np.column_stack([scores[:, k], np.tile(np.eye(3)[k], (200, 1))]) for k in range(3)]
    )
    target = pairs.targets.T.ravel()
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
        np.concatenate([columns, columns]), np.repeat([1, 0], 600), np.concatenate([target, 1 - target])
    )
    np.testing.assert_allclose([slope, *offsets], theirs.coef_[0], rtol=1e-4, atol=1e-4)


def test_it_recovers_slopes_and_offsets_and_corrects_probabilities() -> None:
    slopes, offsets = [0.5, 0.6, 0.4, 0.5], [0.0, -1.0, 0.5, -0.5]
    found = fit_calibration(*drawn(0, 20000, slopes, offsets))
    np.testing.assert_allclose(found.slopes, slopes, rtol=0.06)
    np.testing.assert_allclose(found.offsets, offsets, atol=0.12)
    scores, labels = drawn(1, 20000, slopes, offsets)
    assert calibration_error(sigmoid(scores), labels) > 0.05
    assert calibration_error(found.probabilities(scores), labels) < 0.01


def test_a_class_with_few_positives_stays_close_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels = drawn(2, 3000, [0.5] * 6, [0.0] * 5 + [-7.0])
    few = labels[:, 5] > 0
    assert 2 <= few.sum() <= 20
    # The few positives suggest a different slope.
    scores[few, 5] = -1.0

    def astray() -> float:
        found = fit_calibration(scores, labels)
        return abs(found.slopes[5] / float(np.mean(found.slopes[:5])) - 1)

    held = astray()
    assert held < 0.5
    monkeypatch.setattr(platt_scaling, "_SLOPE_PRIOR_WEIGHT", 0.0)
    assert astray() > 1.4 * held


def test_classes_without_positives_negatives_or_labels() -> None:
    scores, labels = drawn(3, 500, [0.5] * 5, [0.0] * 5)
    labels[:, 1], labels[:, 2], labels[:, 3] = -1, 1, 0
    found = fit_calibration(scores, labels)
    shared = found.slopes[1]
    assert found.slopes[2] == shared
    assert 0.4 < shared < 0.6
    probabilities = found.probabilities(scores)
    assert probabilities[:, 1].mean() == pytest.approx(1 / 502, rel=1e-3)
    assert probabilities[:, 2].mean() == pytest.approx(501 / 502, rel=1e-3)
    assert (found.slopes[3], found.offsets[3]) == (1.0, 0.0)
    assert found.thresholds[1:4] == (0.5, 0.5, 0.5)
    # No class has known labels, so equation 2 of the paper applies.
    nothing = fit_calibration(scores, np.zeros_like(labels))
    assert (nothing.slopes, nothing.offsets) == ((1.0,) * 5, (0.0,) * 5)
    np.testing.assert_allclose(nothing.probabilities(scores), sigmoid(scores), atol=1e-6)
    assert len(fit_calibration(np.zeros((3, 0)), np.zeros((3, 0)))) == 0


def test_misleading_scores_have_slope_zero() -> None:
    scores, labels = drawn(4, 500, [0.5], [0.0])
    found = fit_calibration(-scores, labels)
    assert found.slopes == (0.0,)
    positives = (labels > 0).sum()
    assert found.probabilities(scores)[0, 0] == pytest.approx(positives / 500, abs=0.01)
    assert found.thresholds == (0.5,)


@settings(max_examples=60)
@given(problems())
@example(problem([0.0], [1]))
@example(problem([2.0, 2.0, 2.0], [1, -1, 0]))
@example(problem([-1e4, -1e4, 1e4], [-1, -1, 1]))
@example(problem([1e4, -1e4], [-1, 1]))
@example(problem([1e4, 1e4 + 1e-3, -5e-324, 0.0], [1, -1, 1, -1]))
@example(problem([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 1e4], [-1, -1, -1, 1, 1, 1, -1]))
def test_the_fit_is_sound_for_any_scores(problem: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = problem
    found = fit_calibration(scores, labels)
    assert min(found.slopes) >= 0
    probabilities = found.probabilities(scores)
    assert np.isfinite(probabilities).all()
    # Higher scores never make a class less probable.
    order = np.argsort(scores, axis=0)
    assert (np.diff(np.take_along_axis(probabilities, order, 0), axis=0) >= 0).all()
    # Neither the order of images nor scores with unknown labels have an effect.
    shuffled = np.random.default_rng(0).permutation(len(scores))
    other = fit_calibration(np.where(labels != 0, scores, np.nan)[shuffled], labels[shuffled])
    np.testing.assert_allclose(other.probabilities(scores), probabilities, atol=1e-4)


@given(st.integers(0, 100), st.floats(0.1, 10), st.floats(-5, 5))
def test_without_a_prior_the_scale_of_scores_does_not_matter(seed: int, gain: float, shift: float) -> None:
    scores, labels = drawn(seed, 60, [0.8], [0.0])
    labels[0], labels[1] = 1, -1
    pairs = platt_scaling._Problem(scores, np.where(labels > 0, 0.9, 0.1), labels != 0)
    moved = platt_scaling._Problem(gain * scores + shift, pairs.targets, pairs.known)
    (one, at), (other, there) = pairs.fit(1.0, 0.0), moved.fit(1.0, 0.0)
    assert other * gain == pytest.approx(one, rel=1e-4, abs=1e-6)
    np.testing.assert_allclose(there + other * shift, at, rtol=1e-4, atol=1e-4)


def test_mistakes_are_named() -> None:
    with pytest.raises(ModelError, match="not finite"):
        fit_calibration([[np.inf]], [[1]])
    with pytest.raises(ValueError, match="must both be"):
        fit_calibration([1.0], [1])

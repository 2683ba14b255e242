"""Linear SVMs, compared with scikit-learn's and with general properties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from freeloc.paper.baselines.linear_svm import LinearSVMs, SVMOptions, fit_linear_svms, hard_negatives

EXACT = SVMOptions(tolerance=1e-6, max_iterations=2000)


def cloud(
    seed: int = 0, count: int = 300, width: int = 12, classes: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, and labels that are mostly linearly separable."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = vectors @ rng.normal(size=(width, classes)) - 0.4 + 0.3 * rng.normal(size=(count, classes))
    return vectors.astype(np.float32), np.where(scores > 0, 1, -1).astype(np.int8)


def objective(
    svms: LinearSVMs, label: int, vectors: np.ndarray, labels: np.ndarray, options: SVMOptions
) -> float:
    """Compute the objective by its definition, vector by vector."""
    weight, bias = svms.weights[label].astype(float), float(svms.bias[label])
    total = 0.5 * float(weight @ weight)
    for vector, sign in zip(vectors.astype(float), labels[:, label], strict=True):
        if sign:
            factor = options.positive_weight if sign > 0 else 1.0
            total += options.cost * factor * max(0.0, 1 - sign * (float(weight @ vector) + bias)) ** 2
    return total


@pytest.mark.parametrize("cost", [0.1, 1.0, 10.0])
def test_agrees_with_scikit_learn(cost: float) -> None:
    svm = pytest.importorskip("sklearn.svm")
    vectors, labels = cloud()
    options = SVMOptions(cost=cost, positive_weight=3.0, tolerance=1e-6, max_iterations=2000)
    found = fit_linear_svms(vectors, labels, options)
    for label in range(labels.shape[1]):
        # LIBLINEAR penalizes the bias as well; as the weight of a large constant, it is practically free.
        theirs = svm.LinearSVC(
            C=cost,
            dual=False,
            class_weight={1: 3.0, -1: 1.0},
            intercept_scaling=100,
            tol=1e-10,
            max_iter=100000,
        ).fit(vectors.astype(float), labels[:, label])
        margins = theirs.decision_function(vectors.astype(float))
        np.testing.assert_allclose(found.margins(vectors)[:, label], margins, atol=2e-3)
        own = objective(found, label, vectors, labels, options)
        other = LinearSVMs(theirs.coef_.repeat(3, axis=0), theirs.intercept_.repeat(3))
        assert own <= objective(other, label, vectors, labels, options) * (1 + 1e-5)


def test_what_can_be_separated_is() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [-1, 0], [-0.8, 0.3]], np.float32)
    labels = np.array([[1, -1], [1, -1], [-1, 1], [-1, 1]], np.int8)
    found = fit_linear_svms(vectors, labels, SVMOptions(cost=1000))
    assert (np.sign(found.margins(vectors)) == labels).all()
    assert np.abs(found.margins(vectors)).min() > 0.95
    assert found.weights.dtype == found.bias.dtype == np.float32


def test_a_class_alone_is_fitted_as_among_others() -> None:
    vectors, labels = cloud()
    together = fit_linear_svms(vectors, labels, EXACT)
    alone = fit_linear_svms(vectors, labels[:, 1:2], EXACT)
    np.testing.assert_allclose(together.margins(vectors)[:, 1:2], alone.margins(vectors), atol=2e-3)


def test_vectors_without_a_label_take_no_part() -> None:
    vectors, labels = cloud()
    rng = np.random.default_rng(1)
    silent = rng.random(len(labels)) < 0.4
    open_labels = np.where(silent[:, None], 0, labels).astype(np.int8)
    left = fit_linear_svms(vectors[~silent], labels[~silent], EXACT)
    np.testing.assert_allclose(
        fit_linear_svms(vectors, open_labels, EXACT).margins(vectors), left.margins(vectors), atol=2e-3
    )


def test_where_a_fit_begins_does_not_matter() -> None:
    vectors, labels = cloud()
    cold = fit_linear_svms(vectors, labels, EXACT)
    start = LinearSVMs(np.ones_like(cold.weights), np.ones_like(cold.bias))
    np.testing.assert_allclose(
        fit_linear_svms(vectors, labels, EXACT, start).margins(vectors), cold.margins(vectors), atol=2e-3
    )
    assert (start.weights == 1).all()


def test_positive_vectors_can_weigh_more() -> None:
    vectors, labels = cloud()
    light, heavy = (
        fit_linear_svms(vectors, labels, SVMOptions(positive_weight=weight)).margins(vectors)
        for weight in (1.0, 20.0)
    )
    assert heavy[labels > 0].mean() > light[labels > 0].mean()


def test_hard_are_negatives_within_the_margin_the_hardest_first() -> None:
    margins = np.array([[-2, 3], [-0.5, 0.2], [0.7, -3], [-1.5, -1.2], [0.9, -4]], np.float32)
    labels = np.array([[-1, 1], [-1, -1], [-1, -1], [-1, -1], [0, -1]], np.int8)
    assert hard_negatives(margins, labels, 10).tolist() == [2, 1]
    assert hard_negatives(margins, labels, 1).tolist() == [2]
    assert hard_negatives(margins, labels, 10, margin=-1.3).tolist() == [2, 1, 3]
    assert hard_negatives(margins[:0], labels[:0], 10).tolist() == []


def test_hard_negatives_change_the_machine() -> None:
    vectors, labels = cloud(count=2000)
    few = np.concatenate([np.flatnonzero(labels[:, 0] > 0), np.flatnonzero(labels[:, 0] < 0)[:20]])
    first = fit_linear_svms(vectors[few], labels[few, :1])
    rest = np.setdiff1d(np.arange(len(vectors)), few)
    hard = rest[hard_negatives(first.margins(vectors[rest]), labels[rest, :1], 200)]
    assert 0 < len(hard) <= 200
    again = fit_linear_svms(vectors[[*few, *hard]], labels[[*few, *hard], :1], start=first)
    assert again.margins(vectors[hard]).mean() < first.margins(vectors[hard]).mean()
    wrong = [
        float(((machine.margins(vectors)[:, 0] > 0) != (labels[:, 0] > 0)).mean())
        for machine in (first, again)
    ]
    assert wrong[1] < wrong[0]


@pytest.mark.parametrize(
    "wrong", [{"cost": 0}, {"positive_weight": -1}, {"max_iterations": 0}, {"tolerance": 0}]
)
def test_options_that_fit_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        SVMOptions(**wrong)

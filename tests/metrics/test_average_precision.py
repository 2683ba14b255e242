from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from freeloc._literals import APFlavour
from freeloc._typing import Float64Array
from freeloc.errors import FreelocError
from freeloc.metrics.average_precision import (
    average_precision,
    classification_ap,
    classification_ranking,
    ranked_average_precision,
)
from freeloc.metrics.precision_recall import precision_recall_curve
from freeloc.metrics.ranking import Ranking

FLAVOURS: tuple[APFlavour, ...] = get_args(APFlavour)
law = settings(max_examples=50)


def reference_ap(
    confidence: Sequence[float], hits: Sequence[bool], n_positives: int, flavour: APFlavour
) -> Fraction | None:
    """The rules of the VOC devkit and of scikit-learn, with exact fractions and simple loops."""
    if n_positives == 0:
        return None
    curve = []
    for threshold in sorted(set(confidence), reverse=True):
        above = [hit for value, hit in zip(confidence, hits, strict=True) if value >= threshold]
        curve.append((Fraction(sum(above), n_positives), Fraction(sum(above), len(above))))
    if flavour == "11point":
        best = [max((p for r, p in curve if r >= Fraction(t, 10)), default=Fraction(0)) for t in range(11)]
        return sum(best, Fraction(0)) / 11
    total, before = Fraction(0), Fraction(0)
    for index, (recall, precision) in enumerate(curve):
        height = max(p for _, p in curve[index:]) if flavour == "area" else precision
        total += (recall - before) * height
        before = recall
    return total


# Few distinct scores, so that ties are common.
predictions = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([-1, 0, 1])), min_size=1, max_size=30)
weighted_predictions = st.lists(
    st.tuples(st.integers(-3, 3), st.sampled_from([-1, 0, 1]), st.integers(0, 4)), min_size=1, max_size=20
)
flavours = st.sampled_from(FLAVOURS)

# Ranked best first: absent, present, present, absent, present, so 3 positives.
#   rank       1     2     3     4     5
#   precision  0/1   1/2   2/3   2/4   3/5
#   recall     0/3   1/3   2/3   2/3   3/3
#   raised     2/3   2/3   2/3   3/5   3/5
SCORES = [0.9, 0.8, 0.7, 0.6, 0.5]
LABELS = [-1, 1, 1, -1, 1]
BY_HAND = {
    # recall increases by 1/3 at ranks 2, 3 and 5, each time at the precision there
    "step": Fraction(1, 3) * (Fraction(1, 2) + Fraction(2, 3) + Fraction(3, 5)),
    # the same steps at the raised precision
    "area": Fraction(1, 3) * (Fraction(2, 3) + Fraction(2, 3) + Fraction(3, 5)),
    # recalls 0 to 0.6 (seven levels) are reached at 2/3, recalls 0.7 to 1 (four levels) at 3/5
    "11point": (7 * Fraction(2, 3) + 4 * Fraction(3, 5)) / 11,
}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_hand_worked_ranking(flavour: APFlavour) -> None:
    assert average_precision(SCORES, LABELS, flavour) == pytest.approx(float(BY_HAND[flavour]), abs=1e-15)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_hand_worked_missed_positive(flavour: APFlavour) -> None:
    # Two correct predictions ranked first and second, and two missed positives: precision 1 up to recall 1/2.
    # Both areas are 1/2; of the eleven levels, 0 to 0.5 (six) are reached.
    expected = 6 / 11 if flavour == "11point" else 1 / 2
    assert ranked_average_precision([2.0, 1.0], [True, True], 4, flavour) == pytest.approx(expected)


def test_ties_share_one_threshold() -> None:
    # Both images enter together: precision 1/2 at recall 1, in whatever order they are listed.
    for labels in ([1, -1], [-1, 1]):
        assert [average_precision([0.3, 0.3], labels, flavour) for flavour in FLAVOURS] == [0.5] * 3


def test_infinite_scores_are_tied_too() -> None:
    assert average_precision([np.inf, np.inf, -np.inf, -np.inf], [1, -1, 1, -1], "step") == 0.5


def test_three_found_of_ten_reaches_the_level_three_tenths() -> None:
    # Only three correct predictions: the levels 0, 0.1, 0.2 and 0.3 are reached with precision 1.
    assert ranked_average_precision([3, 2, 1], [1, 1, 1], 10, "11point") == pytest.approx(4 / 11)


def test_without_positives_there_is_no_number() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for flavour in FLAVOURS:
            assert np.isnan(average_precision([1.0, 2.0], [-1, 0], flavour))
            assert np.isnan(average_precision([], [], flavour))
            assert np.isnan(ranked_average_precision([], [], 0, flavour))
        assert np.isnan(precision_recall_curve([1.0], [False]).recall).all()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_positives_without_any_prediction_give_zero(flavour: APFlavour) -> None:
    assert ranked_average_precision([], [], 3, flavour) == 0


@law
@given(predictions, flavours)
def test_equals_the_obvious_loops(rows: list[tuple[int, int]], flavour: APFlavour) -> None:
    scores, labels = zip(*rows, strict=True)
    counted = [(score, label > 0) for score, label in rows if label]
    expected = reference_ap([s for s, _ in counted], [h for _, h in counted], labels.count(1), flavour)
    found = average_precision(scores, labels, flavour)
    assert np.isnan(found) if expected is None else found == pytest.approx(float(expected), abs=1e-12)


@law
@given(predictions, st.integers(0, 5), flavours)
def test_missed_positives_equal_the_obvious_loops(
    rows: list[tuple[int, int]], missed: int, flavour: APFlavour
) -> None:
    scores, hits = [score for score, _ in rows], [label > 0 for _, label in rows]
    expected = reference_ap(scores, hits, sum(hits) + missed, flavour)
    found = ranked_average_precision(scores, hits, sum(hits) + missed, flavour)
    assert np.isnan(found) if expected is None else found == pytest.approx(float(expected), abs=1e-12)


@law
@given(weighted_predictions)
def test_step_equals_scikit_learn(rows: list[tuple[int, int, int]]) -> None:
    scores, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    counted = labels != 0
    if not weights[counted & (labels > 0)].any():
        return
    expected = average_precision_score(
        labels[counted] > 0, scores[counted], sample_weight=weights[counted].astype(float)
    )
    assert average_precision(scores, labels, "step", weights) == pytest.approx(expected, abs=1e-12)


@law
@given(weighted_predictions, flavours)
def test_a_whole_weight_is_that_many_images(rows: list[tuple[int, int, int]], flavour: APFlavour) -> None:
    scores, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    repeated = average_precision(np.repeat(scores, weights), np.repeat(labels, weights), flavour)
    assert average_precision(scores, labels, flavour, weights) == pytest.approx(repeated, nan_ok=True)


@law
@given(predictions, st.sampled_from([0.1, 0.3, 7.7]), flavours)
def test_scaling_all_weights_changes_nothing(
    rows: list[tuple[int, int]], scale: float, flavour: APFlavour
) -> None:
    scores, labels = zip(*rows, strict=True)
    expected = average_precision(scores, labels, flavour)
    found = average_precision(scores, labels, flavour, np.full(len(rows), scale))
    assert found == pytest.approx(expected, nan_ok=True)


@law
@given(predictions, flavours)
def test_between_zero_and_one(rows: list[tuple[int, int]], flavour: APFlavour) -> None:
    scores, labels = zip(*rows, strict=True)
    value = average_precision(scores, labels, flavour)
    assert 0 <= value <= 1 or (np.isnan(value) and 1 not in labels)


@law
@given(st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=30).filter(lambda x: 1 in x), flavours)
def test_a_perfect_ranking_gives_one(labels: list[int], flavour: APFlavour) -> None:
    assert average_precision(labels, labels, flavour) == 1


@law
@given(predictions, flavours, st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(
    rows: list[tuple[int, int]], flavour: APFlavour, random: Random
) -> None:
    scores, labels = zip(*rows, strict=True)
    before = average_precision(scores, labels, flavour)
    random.shuffle(rows)
    scores, labels = zip(*rows, strict=True)
    after = average_precision(scores, labels, flavour)
    assert before == after or np.isnan([before, after]).all()


@law
@given(predictions, flavours, st.sampled_from([np.exp, lambda x: x**3 - 5, lambda x: 1e6 * x, np.arctan]))
def test_only_the_order_of_the_scores_matters(
    rows: list[tuple[int, int]], flavour: APFlavour, transform: Callable[[Float64Array], Float64Array]
) -> None:
    scores, labels = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    before, after = (average_precision(x, labels, flavour) for x in (scores, transform(scores)))
    assert before == after or np.isnan([before, after]).all()


@law
@given(predictions, flavours, st.floats())
def test_left_out_pairs_change_nothing(rows: list[tuple[int, int]], flavour: APFlavour, score: float) -> None:
    scores, labels = zip(*rows, strict=True)
    before = average_precision(scores, labels, flavour)
    after = average_precision((*scores, score), (*labels, 0), flavour)
    assert before == after or np.isnan([before, after]).all()


@law
@given(predictions)
def test_raising_precision_never_lowers_the_number(rows: list[tuple[int, int]]) -> None:
    scores, labels = zip(*rows, strict=True)
    area, step = average_precision(scores, labels, "area"), average_precision(scores, labels, "step")
    assert area >= step - 1e-12 or (np.isnan(area) and np.isnan(step))


@law
@given(st.integers(0, 2**32 - 1), flavours)
def test_many_weightings_at_once_equal_one_at_a_time(seed: int, flavour: APFlavour) -> None:
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 6, (12, 3)).astype(float), rng.integers(-1, 2, (12, 3))
    weights = rng.integers(0, 3, (5, 12))
    found = classification_ranking(scores, labels, flavour).values(weights)
    expected = [
        [average_precision(scores[:, k], labels[:, k], flavour, row) for k in range(3)] for row in weights
    ]
    assert found == pytest.approx(np.array(expected), nan_ok=True)


def test_classification_of_several_classes() -> None:
    # Class 0 is ranked perfectly, class 1 is the hand-worked ranking, class 2 has no positives.
    scores = np.stack([[5, 4, 3, 2, 1], SCORES, SCORES], axis=1)
    labels = np.stack([[1, 1, -1, -1, -1], LABELS, [-1, -1, -1, 0, -1]], axis=1)
    values = classification_ap(scores, labels)
    assert values == pytest.approx([1, float(BY_HAND["area"]), np.nan], nan_ok=True)
    ranking = classification_ranking(scores, labels)
    assert ranking.mean == pytest.approx((1 + float(BY_HAND["area"])) / 2)
    assert ranking.curve(1).recall == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1])


def test_refusals() -> None:
    with pytest.raises(FreelocError, match="NaN"):
        average_precision([np.nan, 1.0], [1, -1])
    with pytest.raises(FreelocError, match="NaN"):
        classification_ap([[np.nan], [1.0]], [[1], [-1]])
    with pytest.raises(FreelocError, match="flavour is 'best': choose one of area, 11point, step"):
        average_precision([1.0], [1], "best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="labels"):
        average_precision([1.0], [2])
    with pytest.raises(ValueError, match="shape"):
        average_precision([1.0, 2.0], [1])
    with pytest.raises(ValueError, match="hits"):
        ranked_average_precision([1.0, 2.0], [True, True], 1)
    with pytest.raises(ValueError, match="weights"):
        average_precision([1.0], [1], weights=[-1.0])
    yes, no = np.ones((1, 1), bool), np.zeros((1, 1), bool)
    with pytest.raises(ValueError, match="every hit must be a positive"):
        Ranking(np.zeros((1, 1)), yes, no, yes)
    with pytest.raises(ValueError, match="weights"):
        classification_ranking([[1.0]], [[1]]).values([[1.0, 1.0]])

"""Calibration errors, compared with loops and manual results, and their invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from freeloc.errors import FreelocError
from freeloc.metrics import (
    BrierScore,
    CalibrationError,
    CalibrationOptions,
    WeightedMetric,
    bootstrap_intervals,
    brier_score,
    calibration_error,
    measure_calibration,
    reliability_bins,
)

BINNINGS = ("width", "mass")


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, CalibrationOptions]:
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 4)))
    # Multiples of 1/8: ties, and probabilities on edges.
    share = st.one_of(st.integers(0, 8).map(lambda part: part / 8), st.floats(0, 1))
    return (
        draw(arrays.arrays(np.float64, shape, elements=share)),
        draw(arrays.arrays(np.int8, shape, elements=st.sampled_from([-1, 0, 1]))),
        CalibrationOptions(draw(st.integers(1, 9)), draw(st.sampled_from(BINNINGS))),
    )


def by_hand(pairs: list[tuple[float, int]], options: CalibrationOptions) -> float:
    """Compute the error of (probability, label) pairs in a loop."""
    pairs = [(share, label) for share, label in pairs if label != 0]
    if not pairs:
        return math.nan
    if options.binning == "width":
        edges = [part / options.bins for part in range(1, options.bins)]
    else:
        ranked = sorted(share for share, _ in pairs)
        edges = [ranked[len(ranked) * part // options.bins] for part in range(1, options.bins)]
        edges = [edge for edge in edges if edge < 1]
    bins: dict[int, list[tuple[float, int]]] = {}
    for share, label in pairs:
        bins.setdefault(sum(share >= edge for edge in edges), []).append((share, label))
    total = 0.0
    for own in bins.values():
        confidence = sum(share for share, _ in own) / len(own)
        frequency = sum(label > 0 for _, label in own) / len(own)
        total += len(own) / len(pairs) * abs(confidence - frequency)
    return total


@settings(max_examples=200)
@given(problems())
def test_the_error_is_that_of_a_loop(problem: tuple[np.ndarray, np.ndarray, CalibrationOptions]) -> None:
    share, labels, options = problem
    pairs = list(zip(share.ravel().tolist(), labels.ravel().tolist(), strict=True))
    wanted = by_hand(pairs, options)
    assert calibration_error(share, labels, options) == pytest.approx(wanted, nan_ok=True, abs=1e-12)
    ones = np.ones((1, len(share)))
    pooled = CalibrationError(share, labels, options, pooled=True).values(ones)
    np.testing.assert_allclose(pooled, [[wanted]], atol=1e-12)
    classes = CalibrationError(share, labels, options).values(ones)
    columns = [
        by_hand(list(zip(share[:, k].tolist(), labels[:, k].tolist(), strict=True)), options)
        for k in range(share.shape[1])
    ]
    np.testing.assert_allclose(classes, [columns], atol=1e-12)


@given(problems())
def test_laws(problem: tuple[np.ndarray, np.ndarray, CalibrationOptions]) -> None:
    share, labels, options = problem
    bins = reliability_bins(share, labels, options)
    known = labels != 0
    assert bins.counts.sum() == known.sum()
    assert (np.diff(bins.edges) > 0).all()
    assert (bins.edges[0], bins.edges[-1]) == (0, 1)
    filled = bins.counts > 0
    assert (bins.probability[filled] >= bins.edges[:-1][filled] - 1e-12).all()
    assert (bins.probability[filled] <= bins.edges[1:][filled] + 1e-12).all()
    assert np.isnan(bins.probability[~filled]).all()
    assert np.isnan(bins.frequency[~filled]).all()
    if not known.any():
        assert math.isnan(bins.error)
        return
    # The order of the images has no effect, nor do unknown pairs.
    order = np.random.default_rng(0).permutation(len(share))
    assert calibration_error(share[order], labels[order], options) == pytest.approx(bins.error, abs=1e-12)
    assert calibration_error(np.where(known, share, 0.77), labels, options) == bins.error
    # It is at most the mean absolute difference from the labels, and at least the difference of the means.
    truth = (labels > 0)[known]
    assert bins.error <= np.abs(share[known] - truth).mean() + 1e-12
    assert bins.error >= abs(share[known].mean() - truth.mean()) - 1e-12
    assert 0 <= brier_score(share, labels) <= 1


@given(problems(), st.data())
def test_a_weight_is_the_image_that_many_times(
    problem: tuple[np.ndarray, np.ndarray, CalibrationOptions], data: st.DataObject
) -> None:
    share, labels, options = problem
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(share), max_size=len(share))))
    again = np.repeat(np.arange(len(share)), weights)
    metrics: list[tuple[WeightedMetric, WeightedMetric]] = []
    for pooled in (True, False):
        metrics.append(
            (
                BrierScore(share, labels, pooled=pooled),
                BrierScore(share[again], labels[again], pooled=pooled),
            )
        )
        if options.binning == "width":  # bins of equal mass are those of the unweighted images
            metrics.append(
                (
                    CalibrationError(share, labels, options, pooled=pooled),
                    CalibrationError(share[again], labels[again], options, pooled=pooled),
                )
            )
    for one, other in metrics:
        np.testing.assert_allclose(
            one.values(weights[None]), other.values(np.ones((1, len(again)))), atol=1e-12
        )


@pytest.mark.parametrize("binning", BINNINGS)
def test_true_probabilities_have_next_to_no_error_and_false_ones_do(binning: str) -> None:
    generator = np.random.default_rng(0)
    share = generator.beta(0.3, 1.5, (4000, 5))
    labels = np.where(generator.random(share.shape) < share, 1, -1)
    options = CalibrationOptions(binning=binning)  # type: ignore[arg-type]
    assert calibration_error(share, labels, options) < 0.01
    assert calibration_error(np.sqrt(share), labels, options) > 0.1


def test_a_page_of_numbers_by_hand() -> None:
    share = np.array([[0.1, 0.9], [0.2, 0.7], [0.3, 1.0], [0.4, 0.5]])
    labels = np.array([[-1, 1], [1, -1], [-1, 1], [0, 1]])
    bins = reliability_bins(share, labels, CalibrationOptions(2))
    assert bins.counts.tolist() == [3, 4]
    np.testing.assert_allclose(bins.probability, [0.2, 0.775])
    np.testing.assert_allclose(bins.frequency, [1 / 3, 0.75])
    assert bins.error == pytest.approx((3 * (1 / 3 - 0.2) + 4 * 0.025) / 7)
    wanted = (0.01 + 0.01 + 0.64 + 0.49 + 0.09 + 0 + 0.25) / 7
    assert brier_score(share, labels) == pytest.approx(wanted)
    # Equal mass: two bins of seven pairs, the lower three and the upper four.
    mass = reliability_bins(share, labels, CalibrationOptions(2, "mass"))
    assert mass.counts.tolist() == [3, 4]
    assert mass.edges.tolist() == [0, 0.5, 1]


def test_everything_with_its_interval() -> None:
    generator = np.random.default_rng(1)
    share = generator.random((60, 3))
    labels = np.where(generator.random(share.shape) < share, 1, -1)
    labels[:, 2] = 0
    found = measure_calibration(share, labels, CalibrationOptions(4), resamples=50, seed=3)
    assert found.error.estimate == pytest.approx(calibration_error(share, labels, CalibrationOptions(4)))
    assert found.error.low <= found.error.high
    assert found.brier.estimate == pytest.approx(brier_score(share, labels))
    assert math.isnan(found.per_class.classes[2].estimate)
    own = [calibration_error(share[:, [k]], labels[:, [k]], CalibrationOptions(4)) for k in (0, 1)]
    assert found.per_class.mean.estimate == pytest.approx(np.mean(own))
    metric = CalibrationError(share, labels, CalibrationOptions(4))
    assert bootstrap_intervals(metric, 50, seed=3).mean == found.per_class.mean


def test_mistakes_are_named() -> None:
    labels = np.array([[1, -1]])
    for share in ([[0.5, 1.1]], [[math.nan, 0.5]], [[-0.1, 0.5]]):
        with pytest.raises(FreelocError, match="not between 0 and 1"):
            calibration_error(share, labels)
    assert calibration_error([[0.5, math.nan]], [[1, 0]]) == 0.5
    with pytest.raises(ValueError, match="must both be"):
        calibration_error([0.5], [1])
    with pytest.raises(ValueError, match="labels must be"):
        calibration_error([[0.5]], [[2]])
    with pytest.raises(FreelocError, match="at least 1"):
        CalibrationOptions(0)
    with pytest.raises(FreelocError, match="binning"):
        CalibrationOptions(binning="log")  # type: ignore[arg-type]

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.errors import FreelocError
from freeloc.metrics import (
    APFlavour,
    Detections,
    GroundTruth,
    best_boxes,
    bootstrap_intervals,
    detection_ap,
    detection_ranking,
    detection_rankings,
    paired_bootstrap,
    ranked_average_precision,
)

FLAVOURS: tuple[APFlavour, ...] = get_args(APFlavour)
law = settings(max_examples=40)
flavours = st.sampled_from(FLAVOURS)
seeds = st.integers(0, 2**32 - 1)


# --- the devkit's rules, written out ----------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """One object in the form of the devkit: pixels counted from 1, with inclusive edges."""

    image: int
    label: int
    box: tuple[int, int, int, int]
    flagged: bool


@dataclass(frozen=True)
class Found:
    """One line of a results file."""

    image: int
    label: int
    score: float
    box: tuple[int, int, int, int]


def pixel_iou(one: tuple[int, ...], other: tuple[int, ...]) -> Fraction:
    """The overlap in VOCevaldet, which adds 1 to sides in pixels."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    width, height = min(one[2], other[2]) - left + 1, min(one[3], other[3]) - top + 1
    if width <= 0 or height <= 0:
        return Fraction(0)
    areas = sum((b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (one, other))
    return Fraction(width * height, areas - width * height)


def reference_ap(
    truth: list[Truth], found: list[Found], label: int, iou: Fraction, flavour: str
) -> Fraction | None:
    """VOCevaldet for one class: a loop down the sorted detections that marks objects as taken."""
    objects = [item for item in truth if item.label == label]
    n_positives = sum(not item.flagged for item in objects)
    if not n_positives:
        return None
    taken: set[int] = set()
    curve: dict[float, tuple[int, int]] = {}
    right = seen = 0
    for line in sorted((line for line in found if line.label == label), key=lambda line: -line.score):
        best, target = Fraction(0), -1
        for index, item in enumerate(objects):
            if item.image == line.image and pixel_iou(line.box, item.box) > best:
                best, target = pixel_iou(line.box, item.box), index
        if target >= 0 and best >= iou:
            if objects[target].flagged:
                continue
            right += target not in taken
            taken.add(target)
        seen += 1
        # A later line with an equal score overwrites, because equal scores share a threshold.
        curve[line.score] = (right, seen)
    points = [(Fraction(r, n_positives), Fraction(r, s)) for r, s in curve.values()]
    if flavour == "11point":
        levels = (Fraction(t, 10) for t in range(11))
        return (
            sum((max((p for r, p in points if r >= t), default=Fraction(0)) for t in levels), Fraction(0))
            / 11
        )
    total, before = Fraction(0), Fraction(0)
    for index, (recall, precision) in enumerate(points):
        height = max(p for _, p in points[index:]) if flavour == "area" else precision
        total += (recall - before) * height
        before = recall
    return total


def edges(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return box[0] - 1, box[1] - 1, box[2], box[3]


def ground_truth_of(truth: list[Truth], n: int, crowd: bool = False) -> GroundTruth:
    each = [[item for item in truth if item.image == image] for image in range(n)]
    flag = "crowd" if crowd else "difficult"
    return GroundTruth.concatenate(
        [
            GroundTruth.build(
                [edges(t.box) for t in own], [t.label for t in own], **{flag: [t.flagged for t in own]}
            )
            for own in each
        ]
    )


def detections_of(found: list[Found]) -> Detections:
    return Detections.build(
        [line.image for line in found],
        [line.label for line in found],
        [line.score for line in found],
        [edges(line.box) for line in found],
    )


def scene(seed: int, n: int = 5, k: int = 2) -> tuple[list[Truth], list[Found]]:
    """Objects, and detections that are mostly shifted copies of them; few scores, so that ties are common."""
    rng = np.random.default_rng(seed)

    def box() -> tuple[int, int, int, int]:
        x, y, w, h = rng.integers(1, 12, 4)
        return int(x), int(y), int(x + w), int(y + h)

    truth = [
        Truth(int(rng.integers(n)), int(rng.integers(k)), box(), bool(rng.random() < 0.25))
        for _ in range(rng.integers(0, 12))
    ]
    found = []
    for _ in range(rng.integers(0, 25)):
        if truth and rng.random() < 0.8:
            like = truth[rng.integers(len(truth))]
            shake = rng.integers(-1, 2, 4)
            x1, y1, x2, y2 = (int(v) for v in np.array(like.box) + shake)
            found.append(
                Found(like.image, like.label, float(rng.integers(6)), (x1, y1, max(x1, x2), max(y1, y2)))
            )
        else:
            found.append(Found(int(rng.integers(n)), int(rng.integers(k)), float(rng.integers(6)), box()))
    return truth, found


# --- numbers ----------------------------------------------------------------------------------------------

# One class, three images, four objects to detect and one difficult object; pixels from 1, inclusive edges.
#   image 0: A (1,1)-(10,10) and B (21,1)-(30,10)
#   image 1: C (1,1)-(10,10), difficult D (41,41)-(60,60)
#   image 2: E (1,1)-(10,10)
# Ranked:                              overlap        at 0.5                          at 0.3
#   0.9  A exactly                     100/100        hit                             hit
#   0.8  A, five columns to the right  50/150 = 1/3   wrong                           wrong: A is taken
#   0.7  D, its upper half             1/2            left out, exactly at 0.5        left out
#   0.6  B, top six rows               60/100         hit                             hit
#   0.5  E, top four rows              40/100         wrong                           hit
#   0.4  C exactly                     1              hit                             hit
#   0.3  nothing near, image 2         0              wrong                           wrong
TRUTH = [
    Truth(0, 0, (1, 1, 10, 10), False),
    Truth(0, 0, (21, 1, 30, 10), False),
    Truth(1, 0, (1, 1, 10, 10), False),
    Truth(1, 0, (41, 41, 60, 60), True),
    Truth(2, 0, (1, 1, 10, 10), False),
]
FOUND = [
    Found(0, 0, 0.9, (1, 1, 10, 10)),
    Found(0, 0, 0.8, (6, 1, 15, 10)),
    Found(1, 0, 0.7, (41, 41, 60, 50)),
    Found(0, 0, 0.6, (21, 1, 30, 6)),
    Found(2, 0, 0.5, (1, 1, 10, 4)),
    Found(1, 0, 0.4, (1, 1, 10, 10)),
    Found(2, 0, 0.3, (50, 50, 60, 60)),
]
BY_HAND = {
    # Hit, wrong, hit, wrong, hit, wrong: precision 1, 1/2, 2/3, 1/2, 3/5, 1/2 at recall 1/4, 1/4, 2/4, 2/4, 3/4.
    (0.5, "step"): Fraction(1, 4) * (1 + Fraction(2, 3) + Fraction(3, 5)),
    (0.5, "area"): Fraction(1, 4) * (1 + Fraction(2, 3) + Fraction(3, 5)),
    # Recalls 0 to 0.2 at 1, 0.3 to 0.5 at 2/3, 0.6 and 0.7 at 3/5, none from 0.8 on.
    (0.5, "11point"): (3 + 3 * Fraction(2, 3) + 2 * Fraction(3, 5)) / 11,
    # Hit, wrong, hit, hit, hit, wrong: precision 1, 1/2, 2/3, 3/4, 4/5, 2/3; raised 1, 4/5, 4/5, 4/5, 4/5, 2/3.
    (0.3, "step"): Fraction(1, 4) * (1 + Fraction(2, 3) + Fraction(3, 4) + Fraction(4, 5)),
    (0.3, "area"): Fraction(1, 4) * (1 + 3 * Fraction(4, 5)),
    (0.3, "11point"): (3 + 8 * Fraction(4, 5)) / 11,
}


@pytest.mark.parametrize(("asked", "wanted"), BY_HAND.items())
def test_the_case_worked_by_hand(asked: tuple[float, APFlavour], wanted: Fraction) -> None:
    iou, flavour = asked
    found = detection_ap(detections_of(FOUND), ground_truth_of(TRUTH, 3), 1, (iou,), flavour)
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(float(wanted), abs=1e-15)
    assert reference_ap(TRUTH, FOUND, 0, Fraction(str(iou)), flavour) == wanted


def test_fates_of_the_case_worked_by_hand() -> None:
    half, third = detection_rankings(detections_of(FOUND), ground_truth_of(TRUTH, 3), 1, (0.5, 0.3))
    assert half.hits.tolist() == [True, False, False, True, False, True, False]
    assert third.hits.tolist() == [True, False, False, True, True, True, False]
    for ranking in (half, third):
        assert ranking.counted.tolist() == [True, True, False, True, True, True, True]
        assert ranking.positives.tolist() == [[2], [1], [1]]
        assert (ranking.n_images, ranking.n_classes, ranking.mean) == (3, 1, ranking.per_class[0])
    curve = half.curve(0)
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3, 1 / 2, 3 / 5, 1 / 2])
    np.testing.assert_allclose(curve.recall, [1 / 4, 1 / 4, 2 / 4, 2 / 4, 3 / 4, 3 / 4])
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.6, 0.5, 0.4, 0.3]


@law
@given(seeds, flavours, st.sampled_from(["1/10", "3/10", "1/2", "7/10", "1"]), st.booleans())
def test_against_the_devkits_loops(seed: int, flavour: APFlavour, iou: str, crowd: bool) -> None:
    truth, found = scene(seed)
    values = detection_ap(
        detections_of(found), ground_truth_of(truth, 5, crowd), 2, (float(Fraction(iou)),), flavour
    )
    for label in range(2):
        wanted = reference_ap(truth, found, label, Fraction(iou), flavour)
        if wanted is None:
            assert np.isnan(values[0, label])
        else:
            assert values[0, label] == pytest.approx(float(wanted), abs=1e-12)


def test_of_equal_overlaps_the_object_annotated_first_is_taken() -> None:
    box = [0, 0, 10, 10]
    detections = Detections.build([0], [0], [1], [box])
    for flags, counted in (([False, True], True), ([True, False], False)):
        ranking = detection_ranking(detections, GroundTruth.build([box, box], [0, 0], flags), 1)
        assert ranking.counted.tolist() == [counted]
        assert ranking.hits.tolist() == [counted]


def test_a_class_without_objects_has_no_value() -> None:
    objects = GroundTruth.build([[0, 0, 5, 5], [0, 0, 5, 5]], [0, 2], [False, True])
    detections = Detections.build([0, 0, 0], [0, 1, 2], [1, 1, 1], [[0, 0, 5, 5]] * 3)
    values = detection_ap(detections, objects, 4, (0.5,))[0]
    assert values[0] == 1
    assert np.isnan(values[1:]).all()
    assert detection_ranking(detections, objects, 4).mean == 1
    assert detection_ap(Detections.build(), objects, 3)[:, 0].tolist() == [0, 0, 0]
    assert np.isnan(detection_ap(Detections.build(), GroundTruth.concatenate([]), 3)).all()


def test_scores_may_be_infinite() -> None:
    objects = GroundTruth.build([[0, 0, 5, 5], [20, 0, 25, 5]], [0, 0])
    boxes = [[0, 0, 5, 5], [40, 0, 45, 5], [20, 0, 25, 5]]
    # Missed objects rank below every box, even below −inf.
    scores = [np.inf, 0.0, -np.inf]
    assert detection_ap(
        Detections.build([0] * 3, [0] * 3, scores, boxes), objects, 1, (0.5,)
    ) == pytest.approx(5 / 6)
    scores = [-np.inf] * 3
    assert detection_ap(
        Detections.build([0] * 3, [0] * 3, scores, boxes), objects, 1, (0.5,)
    ) == pytest.approx(2 / 3)


def test_boxes_without_area_overlap_nothing() -> None:
    objects = GroundTruth.build([[3, 3, 3, 9]], [0])
    values = detection_ap(Detections.build([0], [0], [1], [[3, 3, 3, 9]]), objects, 1, (0.1,))
    assert values.tolist() == [[0]]


# --- laws -------------------------------------------------------------------------------------------------


@law
@given(seeds, flavours)
def test_the_order_of_detections_does_not_matter(seed: int, flavour: APFlavour) -> None:
    truth, found = scene(seed)
    shuffled = list(np.random.default_rng(seed).permutation(np.array(found, dtype=object))) if found else []
    one = detection_ap(detections_of(found), ground_truth_of(truth, 5), 2, flavour=flavour)
    np.testing.assert_array_equal(
        one, detection_ap(detections_of(shuffled), ground_truth_of(truth, 5), 2, flavour=flavour)
    )


@law
@given(seeds, flavours)
def test_several_overlaps_are_those_asked_for_alone(seed: int, flavour: APFlavour) -> None:
    truth, found = scene(seed)
    detections, objects = detections_of(found), ground_truth_of(truth, 5)
    ious = (0.5, 0.3, 0.1, 1.0)
    together = detection_ap(detections, objects, 2, ious, flavour)
    for row, iou in zip(together, ious):
        np.testing.assert_array_equal(row, detection_ranking(detections, objects, 2, iou, flavour).per_class)


@law
@given(seeds)
def test_a_lower_overlap_loses_no_object_that_counts(seed: int) -> None:
    truth, found = scene(seed)
    plain = [Truth(item.image, item.label, item.box, False) for item in truth]
    rankings = detection_rankings(detections_of(found), ground_truth_of(plain, 5), 2, (0.7, 0.5, 0.3, 0.1))
    hits = [ranking.hits.sum() for ranking in rankings]
    assert hits == sorted(hits)
    assert all(ranking.counted.all() for ranking in rankings)


@law
@given(seeds, flavours)
def test_finding_every_object_is_perfect_and_moving_everything_changes_nothing(
    seed: int, flavour: APFlavour
) -> None:
    truth, found = scene(seed)
    objects = ground_truth_of(truth, 5)
    unique = {(item.image, item.label, item.box): item for item in truth}
    exact = detections_of([Found(t.image, t.label, 1.0, t.box) for t in unique.values()])
    values = detection_ap(exact, ground_truth_of(list(unique.values()), 5), 2, (0.99,), flavour)
    assert set(values[~np.isnan(values)]) <= {1.0}
    moved = replace(objects, boxes=objects.boxes + 7)
    there = detections_of(found)
    away = Detections(there.image, there.label, 3 * there.score - 1, there.boxes + 7)
    np.testing.assert_array_equal(
        detection_ap(there, objects, 2, flavour=flavour), detection_ap(away, moved, 2, flavour=flavour)
    )


@law
@given(seeds, flavours, st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_a_weight_is_so_many_images(seed: int, flavour: APFlavour, weights: list[int]) -> None:
    truth, found = scene(seed)
    objects = ground_truth_of(truth, 5)
    places = np.repeat(np.arange(5), weights)
    copies = [
        Truth(place, item.label, item.box, item.flagged)
        for place, image in enumerate(places)
        for item in truth
        if item.image == image
    ]
    again = [
        Found(place, line.label, line.score, line.box)
        for place, image in enumerate(places)
        for line in found
        if line.image == image
    ]
    ranking = detection_ranking(detections_of(found), objects, 2, 0.3, flavour)
    repeated = detection_ap(detections_of(again), ground_truth_of(copies, len(places)), 2, (0.3,), flavour)
    np.testing.assert_allclose(ranking.values([weights, [1] * 5])[0], repeated[0], atol=1e-12)
    np.testing.assert_array_equal(ranking.values([[1] * 5])[0], ranking.per_class)


@law
@given(seeds, flavours)
def test_ap_is_that_of_its_own_hits(seed: int, flavour: APFlavour) -> None:
    truth, found = scene(seed)
    ranking = detection_ranking(detections_of(found), ground_truth_of(truth, 5), 2, 0.5, flavour)
    for label in range(2):
        rows = ranking.counted & (ranking.detections.label == label)
        wanted = ranked_average_precision(
            ranking.detections.score[rows], ranking.hits[rows], ranking.positives[:, label].sum(), flavour
        )
        assert ranking.per_class[label] == pytest.approx(wanted, abs=1e-12, nan_ok=True)


def test_chunks_of_weights_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, found = scene(3)
    ranking = detection_ranking(detections_of(found), ground_truth_of(truth, 5), 2, 0.3)
    weights = np.random.default_rng(0).integers(0, 4, (50, 5))
    whole = ranking.values(weights)
    # The package's attribute of this name is the function.
    monkeypatch.setattr(import_module("freeloc.metrics.detection_ap"), "_CHUNK", 40)
    np.testing.assert_array_equal(ranking.values(weights), whole)
    assert len(np.unique(whole[:, 0])) > 3


# --- intervals --------------------------------------------------------------------------------------------


def test_the_bootstrap_works_on_it() -> None:
    objects = ground_truth_of(TRUTH, 3)
    one, other = detection_rankings(detections_of(FOUND), objects, 1, (0.3, 0.5))
    result = bootstrap_intervals(one, 200)
    assert result.mean.estimate == one.mean
    assert result.mean.low < one.mean < result.mean.high
    paired = paired_bootstrap(one, other, 200)
    assert paired.mean.estimate == pytest.approx(one.mean - other.mean)
    assert paired.first_better > 0.5


# --- mistakes ---------------------------------------------------------------------------------------------


def test_refusals() -> None:
    box = [[0, 0, 1, 1]]
    one = Detections.build([0], [0], [1], box)
    objects = GroundTruth.build()
    for iou in (0, -0.5, 1.01, float("nan")):
        with pytest.raises(FreelocError, match="box IoU is"):
            detection_ranking(one, objects, 1, iou)
    with pytest.raises(FreelocError, match="flavour"):
        detection_ranking(one, objects, 1, flavour="voc")  # type: ignore[arg-type]
    with pytest.raises(FreelocError, match="score of a detection is NaN"):
        Detections.build([0], [0], [np.nan], box)
    with pytest.raises(ValueError, match="ends before|x1 ≤ x2"):
        Detections.build([0], [0], [1], [[2, 0, 1, 1]])
    with pytest.raises(ValueError, match="detections must have"):
        Detections.build([0, 0], [0], [1], box)
    for image, label in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        with pytest.raises(ValueError, match="index outside"):
            detection_ranking(Detections.build([image], [label], [1], box), objects, 1)
        with pytest.raises(ValueError, match="index outside"):
            best_boxes(Detections.build([image], [label], [1], box), 1, 1)
    with pytest.raises(ValueError, match="weights have shape"):
        detection_ranking(one, objects, 1).values([1])

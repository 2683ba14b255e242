"""Box AP against the devkit's rules written out detection by detection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.errors import FreelocError
from freeloc.metrics import Detections, Objects, bootstrap_intervals, box_overlap, detection_ranking

CLASSES = 2
corner = st.integers(0, 12)
scores = st.sampled_from([-1.5, 0.0, 0.25, 0.5, 2.0])


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    x1, y1 = draw(corner), draw(corner)
    return x1, y1, x1 + draw(st.integers(1, 8)), y1 + draw(st.integers(1, 8))


objects = st.lists(st.tuples(boxes(), st.integers(0, CLASSES - 1), st.booleans()), max_size=4)
found = st.lists(st.tuples(st.integers(0, 2), st.integers(0, CLASSES - 1), scores, boxes()), max_size=12)


def devkit_overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """In the devkit's own pixels, counted from 1, both ends in."""
    a = (one[0] + 1, one[1] + 1, one[2], one[3])
    b = (other[0] + 1, other[1] + 1, other[2], other[3])
    wide = min(a[2], b[2]) - max(a[0], b[0]) + 1
    high = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if wide <= 0 or high <= 0:
        return 0.0
    area = (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - wide * high
    return wide * high / area


def devkit_ap(photos: list, detections: list, label: int, iou: float) -> float:
    """VOCevaldet and VOCap of the devkit of 2010 and later."""
    ordered = sorted((d for d in detections if d[1] == label), key=lambda d: -d[2])
    taken: set[tuple[int, int]] = set()
    hits: list[tuple[float, bool]] = []
    for photo, _, score, box in ordered:
        best, which = -math.inf, -1
        for index, (other, owner, _) in enumerate(photos[photo]):
            if owner == label and devkit_overlap(box, other) > best:
                best, which = devkit_overlap(box, other), index
        if best >= iou:
            if photos[photo][which][2]:
                continue
            hits.append((score, (photo, which) not in taken))
            taken.add((photo, which))
        else:
            hits.append((score, False))
    positives = sum(owner == label and not hard for photo in photos for _, owner, hard in photo)
    if not positives:
        return math.nan
    # Equal scores are one threshold: nobody may gain by the order of a file.
    curve = []
    for level in sorted({score for score, _ in hits}, reverse=True):
        above = [hit for score, hit in hits if score >= level]
        curve.append((sum(above) / positives, sum(above) / len(above)))
    area, before = 0.0, 0.0
    for index, (recall, _) in enumerate(curve):
        area += (recall - before) * max(precision for _, precision in curve[index:])
        before = recall
    return area


def as_objects(photo: list) -> Objects:
    return Objects.build([b for b, _, _ in photo], [k for _, k, _ in photo], [hard for _, _, hard in photo])


@given(st.lists(objects, min_size=3, max_size=3), found, st.sampled_from([0.1, 0.3, 0.5]))
def test_it_is_the_devkits(photos: list, detections: list, iou: float) -> None:
    made = Detections.build(*zip(*detections, strict=True)) if detections else Detections.build()
    ranking = detection_ranking(made, [as_objects(photo) for photo in photos], CLASSES, iou)
    expected = [devkit_ap(photos, detections, label, iou) for label in range(CLASSES)]
    np.testing.assert_allclose(ranking.per_class, expected, atol=1e-12)


@given(boxes(), st.lists(boxes(), min_size=1, max_size=5))
def test_overlap_of_edges_is_that_of_counted_pixels(one: tuple, many: list) -> None:
    np.testing.assert_allclose(box_overlap(one, many), [devkit_overlap(one, other) for other in many])


def test_a_case_by_hand() -> None:
    """Two dogs, one difficult; four detections: right, twice the same, the difficult one, and nothing."""
    dogs = Objects.build([(0, 0, 10, 10), (20, 0, 30, 10)], [0, 0], [False, True])
    other = Objects.build([(5, 5, 15, 15)], [0])
    made = Detections.build(
        [0, 0, 0, 1, 1],
        [0] * 5,
        [0.9, 0.8, 0.7, 0.6, 0.5],
        [(0, 0, 10, 10), (0, 0, 10, 9), (20, 0, 30, 10), (40, 40, 50, 50), (5, 5, 15, 16)],
    )
    ranking = detection_ranking(made, [dogs, other], 1)
    # Ranked: hit, miss (twice the same), miss (nothing there), hit; 2 to find: 1/2 * 1 + 1/2 * 2/4.
    assert ranking.mean == pytest.approx(0.75)
    assert ranking.hits.tolist() == [True, False, False, True]


@given(st.lists(objects, min_size=3, max_size=3), found)
def test_a_photograph_counted_twice_is_two_photographs(photos: list, detections: list) -> None:
    made = Detections.build(*zip(*detections, strict=True)) if detections else Detections.build()
    once = detection_ranking(made, [as_objects(photo) for photo in photos], CLASSES, 0.3)
    twice = detections + [(3, *rest) for photo, *rest in detections if photo == 1]
    more = Detections.build(*zip(*twice, strict=True)) if twice else Detections.build()
    doubled = detection_ranking(more, [as_objects(photo) for photo in [*photos, photos[1]]], CLASSES, 0.3)
    np.testing.assert_allclose(once.values([[1, 2, 1]])[0], doubled.per_class, atol=1e-12)


def test_intervals_hold_the_value() -> None:
    rng = np.random.default_rng(0)
    things = [Objects.build([(0, 0, 10, 10)], [0]) for _ in range(40)]
    boxes_ = np.tile([0, 0, 10, 10.0], (40, 1)) + np.where(rng.random((40, 1)) < 0.3, 50, 0)
    made = Detections.build(range(40), [0] * 40, rng.random(40), boxes_)
    result = bootstrap_intervals(detection_ranking(made, things, 1), resamples=200)
    assert result.mean.low < result.mean.estimate < result.mean.high


@given(found)
def test_the_surest_box_of_each_class_and_its_centre(detections: list) -> None:
    made = Detections.build(*zip(*detections, strict=True)) if detections else Detections.build()
    scores_, centres = made.surest(3, CLASSES)
    for photo in range(3):
        for label in range(CLASSES):
            own = [d for d in detections if d[:2] == (photo, label)]
            if own:
                best = max(own, key=lambda d: d[2])  # the first of equals
                assert scores_[photo, label] == best[2]
                x1, y1, x2, y2 = best[3]
                assert centres[photo, label].tolist() == [(x1 + x2) / 2, (y1 + y2) / 2]
            else:
                assert np.isnan(centres[photo, label]).all()
                assert scores_[photo, label] < min((d[2] for d in detections), default=0)


def test_nonsense_is_refused() -> None:
    with pytest.raises(FreelocError, match="NaN"):
        Detections.build([0], [0], [math.nan], [(0, 0, 1, 1)])
    with pytest.raises(ValueError, match="photo index outside"):
        detection_ranking(Detections.build([3], [0], [1.0], [(0, 0, 1, 1)]), [Objects.build()], 1)

"""Overlaps of boxes, and what suppression keeps."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.geometry.iou import pairwise_iou
from freeloc.geometry.nms import nms, nms_per_class

corners = st.integers(0, 12)


@st.composite
def box_lists(draw: st.DrawFn, most: int = 12) -> np.ndarray:
    count = draw(st.integers(0, most))
    ends = draw(hnp.arrays(np.int64, (count, 2, 2), elements=corners))
    low, high = ends.min(axis=1), ends.max(axis=1)
    return np.concatenate([low, high], axis=1).astype(np.float64)


def pixels(box: np.ndarray) -> set[tuple[int, int]]:
    x1, y1, x2, y2 = box.astype(int)
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


@settings(deadline=None)
@given(box_lists(), box_lists())
def test_overlap_is_that_of_sets_of_pixels(first: np.ndarray, second: np.ndarray) -> None:
    found = pairwise_iou(first, second)
    assert found.shape == (len(first), len(second))
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            whole = pixels(one) | pixels(other)
            expected = len(pixels(one) & pixels(other)) / len(whole) if whole else 0.0
            assert found[i, j] == expected


@settings(deadline=None)
@given(box_lists(), st.data(), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_suppression_keeps_what_no_surer_kept_box_covers(
    boxes: np.ndarray, data: st.DataObject, overlap: float
) -> None:
    scores = data.draw(hnp.arrays(np.float64, len(boxes), elements=st.integers(-3, 3).map(float)))
    kept = nms(boxes, scores, overlap)
    among = pairwise_iou(boxes, boxes)
    expected: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(among[index, other] <= overlap for other in expected):
            expected.append(index)
    assert kept.tolist() == expected


def test_the_surest_stays_and_its_neighbour_goes() -> None:
    boxes = [(0, 0, 10, 10), (1, 0, 11, 10), (20, 0, 30, 10)]
    assert nms(boxes, [0.5, 0.9, 0.1]).tolist() == [1, 2]
    assert nms(boxes, [0.5, 0.9, 0.1], overlap=0.9).tolist() == [1, 0, 2]
    assert nms([], []).tolist() == []


@settings(deadline=None)
@given(box_lists(), st.data(), st.integers(0, 4), st.sampled_from([0.0, 0.3, 1.0]))
def test_classes_are_suppressed_as_each_alone(
    boxes: np.ndarray, data: st.DataObject, classes: int, overlap: float
) -> None:
    scores = data.draw(hnp.arrays(np.float64, (len(boxes), classes), elements=st.integers(-3, 3).map(float)))
    found = nms_per_class(boxes, scores, overlap)
    assert len(found) == classes
    for kept, column in zip(found, scores.T):
        assert kept.dtype == np.intp
        assert kept.tolist() == nms(boxes, column, overlap).tolist()

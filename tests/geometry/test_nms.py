"""Non-maximum suppression."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.iou import pairwise_iou
from freeloc.geometry.nms import nms, nms_per_class
from tests.geometry.strategies import box_lists


@given(box_lists(), st.data(), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_suppression_keeps_boxes_that_no_better_kept_box_overlaps(
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


def test_the_best_box_stays_and_its_neighbor_goes() -> None:
    boxes = [(0, 0, 10, 10), (1, 0, 11, 10), (20, 0, 30, 10)]
    assert nms(boxes, [0.5, 0.9, 0.1]).tolist() == [1, 2]
    assert nms(boxes, [0.5, 0.9, 0.1], iou_threshold=0.9).tolist() == [1, 0, 2]
    assert nms([], []).tolist() == []


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

"""Detections as arrays, and the best box of each image and class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.errors import ConfigurationError
from freeloc.metrics import Detections, best_boxes

BOX = [0, 0, 1, 1]


def test_the_surest_box_becomes_a_point() -> None:
    detections = Detections.build(
        [0, 0, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [0.5, 0.9, -3, 0.9, -np.inf],
        [[0, 0, 2, 2], [10, 20, 20, 60], [5, 5, 6, 8], [90, 90, 94, 94], [1, 1, 3, 3]],
    )
    scores, points = best_boxes(detections, 3, 2)
    assert scores.tolist() == [[-np.inf, 0.9], [-3, -np.inf], [-np.inf, -np.inf]]
    # The first of the two at 0.9; −inf is a valid score.
    np.testing.assert_array_equal(
        points, [[[2, 2], [15, 40]], [[5.5, 6.5], [np.nan] * 2], [[np.nan] * 2, [np.nan] * 2]]
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_the_best_box_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 25))
    corners = rng.integers(1, 12, (count, 2))
    found = Detections.build(
        rng.integers(0, 5, count),
        rng.integers(0, 2, count),
        rng.integers(0, 6, count),  # few scores, so that ties are common
        np.concatenate([corners, corners + rng.integers(1, 12, (count, 2))], axis=1),
    )
    scores, points = best_boxes(found, 5, 2)
    for (image, label), score in np.ndenumerate(scores):
        rows = [m for m in range(count) if (found.image[m], found.label[m]) == (image, label)]
        if not rows:
            assert score == -np.inf
            assert np.isnan(points[image, label]).all()
            continue
        best = max(rows, key=lambda m: found.score[m])  # the first of equal ones
        x1, y1, x2, y2 = found.boxes[best]
        assert (score, *points[image, label]) == (found.score[best], (x1 + x2) / 2, (y1 + y2) / 2)


def test_parts_are_images_in_order() -> None:
    one = Detections.build([0, 0], [1, 0], [0.5, 0.2], [BOX, BOX])
    other = Detections.build([0], [2], [0.9], [BOX])
    joined = Detections.concatenate([one, Detections.build(), other])
    assert joined.image.tolist() == [0, 0, 2]
    assert joined.label.tolist() == [1, 0, 2]
    assert joined.score.tolist() == [0.5, 0.2, 0.9]
    assert len(Detections.concatenate([])) == 0


def test_arrays_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="NaN"):
        Detections.build([0], [0], [np.nan], [BOX])
    with pytest.raises(ValueError, match="x1 ≤ x2"):
        Detections.build([0], [0], [1], [[2, 0, 1, 1]])
    for image, label in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        with pytest.raises(ValueError, match="index outside"):
            Detections.build([image], [label], [1], [BOX]).check(1, 1)


def test_classes_are_selected_and_renumbered() -> None:
    found = Detections.build(
        [0, 1, 1, 2], [0, 2, 1, 2], [0.1, 0.2, 0.3, 0.4], [[n, n, n + 1, n + 1] for n in range(4)]
    )
    some = found.select_classes([2, 0])
    assert (some.image.tolist(), some.label.tolist(), some.score.tolist()) == (
        [0, 1, 2],
        [1, 0, 0],
        [0.1, 0.2, 0.4],
    )
    assert some.boxes[:, 0].tolist() == [0, 1, 3]
    assert len(found.select_classes([])) == 0

"""Proposals ranked by the score maps inside them."""

from __future__ import annotations

import numpy as np
import pytest

from freeloc._typing import Float32Array
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.inference.boxes import BoxOptions
from freeloc.paper.aggregate_maps import Aggregate
from freeloc.paper.rank_proposals import rank_by_aggregate, rank_proposals


def hill(shape: tuple[int, int], box: tuple[int, int, int, int], height: float) -> Float32Array:
    """A map that is high inside a box and decreases around it."""
    rows, cols = np.indices(shape)
    x1, y1, x2, y2 = box
    outside = np.maximum(np.maximum(x1 - cols, cols - x2 + 1), np.maximum(y1 - rows, rows - y2 + 1))
    values: Float32Array = (height * np.exp(-0.9 * np.maximum(0, outside))).astype(np.float32)
    return values


def test_the_proposal_that_fits_the_map_ranks_first() -> None:
    image = Size(300, 200)
    values = hill((20, 30), (8, 5, 20, 12), 0.9)[None]
    proposals = [(0, 0, 300, 200), (80, 50, 200, 120), (100, 60, 140, 100), (230, 10, 290, 60)]
    found = rank_proposals(values, [0.7], Lattice(image, 20, 30), proposals)
    np.testing.assert_allclose(found.boxes[0], proposals[1])
    assert (np.diff(found.score) <= 0).all()
    assert rank_proposals(values, [0.7], Lattice(image, 20, 30), []).boxes.shape == (0, 4)


LATTICE = Lattice(Size(240, 160), 4, 6)
"""Cells of 40 × 40 pixels."""

BOXES = [(0, 0, 240, 160), (40, 40, 120, 120), (80, 80, 120, 120), (160, 0, 240, 40)]


@pytest.mark.parametrize(
    ("how", "scores", "best"),
    [
        ("sum", (8 + 20 * 0.5, 8 + 0, 5, 2 * 0.5), 0),
        ("mean", (18 / 24, 2, 5, 0.5), 2),
        ("sum_over_side", (18 / 24**0.5, 4, 5, 1 / 2**0.5), 2),
        ("max", (5, 5, 5, 0.5), 0),
    ],
)
def test_plain_aggregates_rank_and_score_the_boxes(
    how: Aggregate, scores: tuple[float, ...], best: int
) -> None:
    values = np.full((2, 4, 6), 0.5, np.float32)
    values[1, 1:3, 1:3] = ((1, 1), (1, 5))
    found = rank_by_aggregate(values, [0.001, 0.7], LATTICE, BOXES, how, BoxOptions(iou_threshold=0.99))
    assert set(found.label) == {1}, "a class that is hardly probable gets no boxes"
    np.testing.assert_allclose(found.boxes[0], BOXES[best])
    expected = dict(zip(BOXES, scores, strict=True))
    assert len(found) == 4
    for box, score in zip(found.boxes, found.score, strict=True):
        assert score == pytest.approx(expected[tuple(box)])


def test_raw_scores_below_zero_are_ranked_too() -> None:
    values = np.full((1, 4, 6), -3, np.float32)
    values[0, 1:3, 1:3] = -1
    found = rank_by_aggregate(values, [0.5], LATTICE, BOXES, "mean", BoxOptions(max_boxes=1))
    np.testing.assert_allclose(found.boxes, [BOXES[1]])
    np.testing.assert_allclose(found.score, [-1])


def test_boxes_that_overlap_the_best_are_suppressed() -> None:
    boxes = [(40, 40, 120, 120), (40, 40, 120, 122), (160, 0, 240, 40)]
    values = np.ones((1, 4, 6), np.float32)
    found = rank_by_aggregate(values, [0.5], LATTICE, boxes, "sum")
    np.testing.assert_allclose(found.boxes, [boxes[1], boxes[2]])
    assert len(rank_by_aggregate(values, [0.5], LATTICE, [], "max")) == 0

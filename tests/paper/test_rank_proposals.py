"""Proposals ranked by the score maps inside them."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc._typing import Float32Array
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.paper.rank_proposals import _sums, rank_proposals


@settings(max_examples=50)
@given(st.data())
def test_sums_in_boxes_that_end_inside_cells(data: st.DataObject) -> None:
    """Compare with cells divided into 4 × 4 pixels, on which integer boxes are exact."""
    rows, cols = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    values = data.draw(hnp.arrays(np.float32, (2, rows, cols), elements=st.sampled_from([0, 1, 2, 5])))
    ends = data.draw(hnp.arrays(np.int64, (3, 2, 2), elements=st.integers(0, 24)))
    low, high = ends.min(axis=1), ends.max(axis=1)
    boxes = np.concatenate([low, high], axis=1).astype(np.float64)
    inside, areas = _sums(values, Lattice(Size(4 * cols, 4 * rows), rows, cols), boxes)
    pixels = values.repeat(4, axis=1).repeat(4, axis=2) / 16
    for place, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        cut = pixels[:, y1:y2, x1:x2]
        np.testing.assert_allclose(inside[:, place], cut.sum(axis=(1, 2)), atol=1e-5)
        np.testing.assert_allclose(areas[place], cut[0].size / 16, atol=1e-9)


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

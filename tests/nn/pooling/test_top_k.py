"""Top-k pooling: which cells it selects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from freeloc.nn.pooling.top_k import TopKPooling, selected_count

columns = arrays(np.float32, st.tuples(st.integers(1, 49), st.just(1)), elements=st.floats(-60, 60, width=32))


@pytest.mark.parametrize(("cells", "selected"), [(1, 1), (4, 1), (10, 2), (187, 37)])
def test_a_fifth_of_the_cells_is_selected_and_at_least_one(cells: int, selected: int) -> None:
    assert selected_count(cells) == selected


@given(st.lists(columns, min_size=1, max_size=3))
def test_the_highest_and_the_lowest_cells_are_selected(parts: list[np.ndarray]) -> None:
    cells, counts = torch.from_numpy(np.concatenate(parts)), [len(part) for part in parts]
    start = 0
    for part, selected in zip(parts, TopKPooling().select_cells(cells, counts), strict=True):
        highest, lowest = selected.chunk(2)
        assert len(highest) == len(lowest) == selected_count(len(part))
        ordered = sorted(part[:, 0].tolist())
        assert sorted(cells[highest[:, 0], 0].tolist()) == ordered[-len(highest) :]
        assert sorted(cells[lowest[:, 0], 0].tolist()) == ordered[: len(lowest)]
        for half in (highest, lowest):
            assert len(half.unique()) == len(half)
            assert ((half >= start) & (half < start + len(part))).all()
        start += len(part)

"""Properties of a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.dataset import Dataset, Sample


@given(st.integers(0, 300), st.integers(1, 400))
def test_evenly_spaced_indices_reach_from_the_first_to_the_last(size: int, count: int) -> None:
    sample = Sample(Path("one.jpg"), np.ones(1, np.int8))
    chosen = Dataset("data", ("cat",), (sample,) * size).evenly_spaced(count)
    assert len(chosen) == min(count, size)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, size - 1)
        steps = np.diff(chosen)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1

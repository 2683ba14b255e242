"""Log-sum-exp pooling: bounds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from freeloc.nn.pooling.average import AveragePooling
from freeloc.nn.pooling.log_sum_exp import LogSumExpPooling
from freeloc.nn.pooling.max import MaxPooling

maps = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)),
    elements=st.floats(-60, 60, width=32),
)


@given(maps)
def test_it_lies_between_mean_and_maximum(values: np.ndarray) -> None:
    pooled = LogSumExpPooling().pool_maps(values)
    assert (pooled <= MaxPooling().pool_maps(values) + 1e-4).all()
    assert (pooled >= AveragePooling().pool_maps(values) - 1e-4).all()

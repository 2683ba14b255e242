"""The logistic function and the lattice."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from freeloc.geometry.size import Size
from freeloc.inference.fusion import localize
from freeloc.inference.score_map import LATTICE_STEP, sigmoid
from tests.inference.synthetic_maps import (
    CLASSES,
    PADDED,
    law,
    random_maps,
)


class TestLogistic:
    @law
    @given(st.floats(-50, 50, width=32))
    def test_agrees_with_scipy(self, value: float) -> None:
        assert sigmoid(value) == pytest.approx(float(expit(value)), rel=1e-5)

    def test_ends(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = sigmoid(np.array([-np.inf, -1e30, 0, 1e30, np.inf]))
        np.testing.assert_allclose(values, [0, 0, 0.5, 1, 1], atol=1e-20)
        assert values.dtype == np.float32


class TestLattice:
    def test_raster_step_is_in_normalised_pixels(self) -> None:
        result = localize(random_maps(0, Size(1000, 500), (1.0,), PADDED), CLASSES)
        assert LATTICE_STEP == 8
        assert result.maps.shape == (3, round(250 / 8), round(500 / 8))

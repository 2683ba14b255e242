from __future__ import annotations

import warnings

import numpy as np
import pytest

from freeloc.metrics.weighted_metric import class_means, mean_over_classes


def test_means_leave_classes_without_a_number_out() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mean_over_classes([0.5, np.nan, 1.0]) == 0.75
        assert np.isnan(mean_over_classes([np.nan, np.nan]))
        assert np.isnan(mean_over_classes([]))
        assert class_means([[0.5, np.nan], [0.2, 0.4]]) == pytest.approx([0.5, 0.3])

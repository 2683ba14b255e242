"""Calibrations: rejected values, extreme scores, and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from freeloc.errors import ConfigurationError
from freeloc.io.typed_json import convert_json, decode_json
from freeloc.models.calibration import Calibration, logistic


def test_json_and_back() -> None:
    calibration = Calibration((0.5, 0.0), (-1.25, 0.1 + 0.2), (0.5, 1 / 3), {"images": 7})
    back = convert_json(decode_json(json.dumps(asdict(calibration))), Calibration)
    assert back == calibration
    assert back.facts == {"images": 7}
    assert len(back) == 2
    with pytest.raises(ValueError, match="the field slopes is missing"):
        convert_json({}, Calibration)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slopes": (0.5,)}, "there are 1 slopes, 2 offsets and 2 thresholds"),
        ({"slopes": (0.5, -0.1)}, "slopes must be between 0 and"),
        ({"slopes": (0.5, float("inf"))}, "slopes must be between 0 and"),
        ({"offsets": (0.0, float("nan"))}, "offsets must be between"),
        ({"offsets": (0.0, -1e10)}, "offsets must be between"),
        ({"thresholds": (0.5, 1.5)}, "between 0 and 1"),
        ({"thresholds": (0.5, float("nan"))}, "between 0 and 1"),
    ],
)
def test_numbers_out_of_range_are_refused(changes: dict[str, tuple[float, ...]], message: str) -> None:
    sound: dict[str, Any] = {"slopes": (1.0, 1.0), "offsets": (0.0, 0.0), "thresholds": (0.5, 0.5)}
    with pytest.raises(ConfigurationError, match=message):
        Calibration(**(sound | changes))


def test_extreme_scores_overflow_nowhere() -> None:
    made = Calibration((2.0,), (0.0,), (0.5,))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        odds = made.log_odds([[-1e30], [0.0], [1e30]])
        np.testing.assert_array_equal(logistic(odds), [[0.0], [0.5], [1.0]])

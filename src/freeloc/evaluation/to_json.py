"""Measures and intervals as plain JSON values in percent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from freeloc.metrics import BootstrapResult, Interval

__all__ = ["interval_as_json", "measure_as_json", "percent"]


def measure_as_json(result: BootstrapResult, classes: Sequence[str]) -> dict[str, Any]:
    """Return the mean and per-class values of a measure as plain JSON values in percent; NaN becomes null."""
    named = zip(classes, result.classes, strict=True)
    return {
        "mean": interval_as_json(result.mean),
        "classes": {name: interval_as_json(value) for name, value in named},
    }


def interval_as_json(interval: Interval) -> dict[str, float | None]:
    """Return an estimate and the ends of its interval in percent; NaN becomes null."""
    values = {"value": interval.estimate, "low": interval.low, "high": interval.high}
    return {key: percent(value) for key, value in values.items()}


def percent(value: float) -> float | None:
    """Convert a fraction to percent with three decimals; NaN becomes null."""
    return None if math.isnan(value) else round(100 * float(value), 3)

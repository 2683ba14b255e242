"""Pool raw scores in a graph, as the poolings of `freeloc.nn.pooling` do in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import numpy as np

from freeloc.errors import ModelError
from freeloc.nn.pooling.log_sum_exp import SHARPNESS
from freeloc.nn.pooling.top_k import LOWEST_WEIGHT
from freeloc.posttraining.export.graph import Value

__all__ = ["POOLINGS", "pooling_function"]


def _pool_max(scores: Value, _cells: Value) -> Value:
    return scores.reduce("Max", 2, 3).without_axis(0)


def _pool_average(scores: Value, _cells: Value) -> Value:
    return scores.reduce("Mean", 2, 3).without_axis(0)


def _pool_log_sum_exp(scores: Value, cells: Value) -> Value:
    total = (scores * SHARPNESS).reduce("LogSumExp", 2, 3) - cells.cast(np.float32).map("Log")
    return (total / SHARPNESS).without_axis(0)


def _pool_top_k(scores: Value, cells: Value) -> Value:
    # A fifth of the cells, rounded. Ties do not exist: a fifth of a whole number is never half of one.
    count = ((cells * 2 + 5) // 10).or_larger(1)
    values = scores.without_axis(0).flat(1)
    highest, lowest = (values.extreme(count, largest=largest).reduce("Mean", 1) for largest in (True, False))
    return highest + lowest * LOWEST_WEIGHT


POOLINGS: Final = MappingProxyType(
    {"max": _pool_max, "average": _pool_average, "lse": _pool_log_sum_exp, "topk": _pool_top_k}
)
"""Functions that pool (1, K, rows, cols) float32 raw scores to (K,) scores,
given also the number of cells, by the name of the pooling at prediction."""


def pooling_function(name: str) -> Callable[[Value, Value], Value]:
    """Return the function of a pooling.

    Raises:
        ModelError: the pooling is from another package and cannot be exported.
    """
    if name not in POOLINGS:
        raise ModelError(
            f"the model uses the pooling {name}, which cannot be exported: only the poolings "
            f"{', '.join(POOLINGS)} can; train with one of them",
            parameter="model",
        )
    return POOLINGS[name]

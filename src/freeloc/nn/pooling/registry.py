"""Lookup of poolings by name."""

from __future__ import annotations

from typing import Final

from freeloc._registry import Registry
from freeloc.nn.pooling.base import Pooling

__all__ = ["POOLINGS", "get_pooling", "prediction_pooling"]

POOLINGS: Final[Registry[type[Pooling]]] = Registry(
    "pooling",
    "freeloc.poolings",
    {
        "max": "freeloc.nn.pooling.max:MaxPooling",
        "lse": "freeloc.nn.pooling.log_sum_exp:LogSumExpPooling",
        "topk": "freeloc.nn.pooling.top_k:TopKPooling",
        "average": "freeloc.nn.pooling.average:AveragePooling",
        "full": "freeloc.nn.pooling.full_image:FullImagePooling",
    },
)
"""Classes of poolings; other packages register theirs under the entry-point group
``freeloc.poolings``."""


def get_pooling(name: str) -> Pooling:
    """Return the pooling called ``name``.

    Raises:
        ConfigurationError: the pooling does not exist.
    """
    return POOLINGS.get(name, parameter="pooling")()


def prediction_pooling(name: str) -> str:
    """Return the name of the pooling that prediction uses for a head trained with the pooling ``name``.

    Raises:
        ConfigurationError: the pooling does not exist.
    """
    return get_pooling(name).prediction or name

"""Which choices are worth having: those that nothing beats in time and accuracy at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

__all__ = ["frontier", "subsets"]


def frontier(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Indices of the choices that no other one dominates, cheapest first.

    A choice is dominated where another costs no more and is worth at least as much, and is better in one of both.
    Of choices alike in both the first is kept.
    """
    order = sorted(range(len(costs)), key=lambda index: (costs[index], -values[index], index))
    kept: list[int] = []
    for index in order:
        if not kept or values[index] > values[kept[-1]]:
            kept.append(index)
    return kept


def subsets(count: int) -> list[tuple[int, ...]]:
    """All choices of one or more out of ``count`` things, smaller ones first."""
    return [chosen for size in range(1, count + 1) for chosen in combinations(range(count), size)]

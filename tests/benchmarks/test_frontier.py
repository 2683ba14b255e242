"""The frontier and the subsets of choices."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.frontier import pareto_frontier, subsets

choices = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=12)


def dominated(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return other[0] <= one[0] and other[1] >= one[1] and other != one


@given(choices)
def test_the_frontier_contains_the_choices_that_no_other_dominates(points: list[tuple[int, int]]) -> None:
    best = pareto_frontier([cost for cost, _ in points], [value for _, value in points])
    expected = {point for point in points if not any(dominated(point, other) for other in points)}
    assert [points[index] for index in best] == sorted(expected)
    assert all(points.index(points[index]) == index for index in best), "the first of equals is returned"


def test_six_scales_have_63_subsets() -> None:
    sets = subsets(6)
    assert len(sets) == len(set(sets)) == 63
    assert sets[0] == (0,)
    assert sets[-1] == (0, 1, 2, 3, 4, 5)

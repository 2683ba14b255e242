"""The choices that nothing beats."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pareto import frontier, subsets

choices = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=12)


def beaten(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return other[0] <= one[0] and other[1] >= one[1] and other != one


@given(choices)
def test_the_frontier_is_what_no_choice_dominates(points: list[tuple[int, int]]) -> None:
    kept = frontier([cost for cost, _ in points], [value for _, value in points])
    expected = {point for point in points if not any(beaten(point, other) for other in points)}
    assert [points[index] for index in kept] == sorted(expected)
    assert all(points.index(points[index]) == index for index in kept), "the first of equals is kept"


def test_all_sixty_three_sets_of_six() -> None:
    sets = subsets(6)
    assert len(sets) == len(set(sets)) == 63
    assert sets[0] == (0,)
    assert sets[-1] == (0, 1, 2, 3, 4, 5)

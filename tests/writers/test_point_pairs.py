"""Which point belongs to which box."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from freeloc.writers.image_record import BoxRecord
from freeloc.writers.point_pairs import pair_points

POINTS = st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), max_size=6, unique=True)
BOXES = st.lists(
    st.builds(lambda x, y, w, h: BoxRecord(x, y, x + w, y + h, 0.5), *[st.floats(0, 6)] * 4), max_size=6
)


def test_a_point_belongs_to_the_smallest_free_box_around_it() -> None:
    large, small = BoxRecord(0, 0, 10, 10, 0.9), BoxRecord(2, 2, 4, 4, 0.5)
    assert pair_points([large, small], [(3, 3)]) == [None, (3, 3)]
    assert pair_points([large, small], [(3, 3), (3.5, 3)]) == [(3.5, 3), (3, 3)]
    assert pair_points([large, small], [(8, 8), (3, 3)]) == [(8, 8), (3, 3)]
    assert pair_points([small], [(8, 8)]) == [None]
    assert pair_points([], [(8, 8)]) == []


@given(BOXES, POINTS)
def test_every_point_is_in_its_box_and_none_is_used_twice(
    boxes: list[BoxRecord], points: list[tuple[float, float]]
) -> None:
    found = pair_points(boxes, points)
    assert len(found) == len(boxes)
    used = [point for point in found if point is not None]
    assert len(set(used)) == len(used)
    for box, point in zip(boxes, found, strict=True):
        inside = [each for each in points if box.x1 <= each[0] <= box.x2 and box.y1 <= each[1] <= box.y2]
        assert point in inside if point is not None else set(inside) <= set(used)

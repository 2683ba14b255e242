"""Boxes of annotations lie in the image, each once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.size import Size
from freeloc.writers.clipped_boxes import clipped_boxes
from freeloc.writers.image_record import BoxRecord

EDGES = st.floats(-20, 120)
BOXES = st.lists(
    st.builds(
        lambda x1, x2, y1, y2: BoxRecord(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2), 0.5),
        *[EDGES] * 4,
    ),
    max_size=8,
)


def test_boxes_are_clipped_rounded_and_never_repeated_or_empty() -> None:
    boxes = [(-10, -10, 40, 60, 0.9), (0, 0.001, 40, 60, 0.8), (80, 0, 90, 10, 0.8), (1, 1, 1.001, 9, 0.8)]
    found = clipped_boxes([BoxRecord(*box) for box in boxes], Size(80, 120))
    assert found == [BoxRecord(0, 0, 40, 60, 0.9)]


@given(BOXES)
def test_all_boxes_lie_in_the_image_and_have_an_area(boxes: list[BoxRecord]) -> None:
    size = Size(80, 100)
    found = clipped_boxes([*boxes, *boxes], size)
    assert len({box.corners for box in found}) == len(found)
    assert all(0 <= box.x1 < box.x2 <= 80 and 0 <= box.y1 < box.y2 <= 100 for box in found)
    assert clipped_boxes(found, size) == found

"""Files whose boxes are in another convention than their format requires."""

from __future__ import annotations

import numpy as np
import pytest

from freeloc.datasets.box_conventions import WrittenBox, find_other_convention
from freeloc.geometry.size import Size

SIZE = Size(500, 375)


def sides(*boxes: tuple[float, float, float, float], size: Size | None = SIZE) -> str | None:
    """Check boxes that a file gives as x, y, width, height."""
    return find_other_convention(WrittenBox((x, y, x + w, y + h), size, True) for x, y, w, h in boxes)


def edges(*boxes: tuple[float, float, float, float], size: Size | None = SIZE) -> str | None:
    """Check boxes that a VOC file gives as pixels that count from 1."""
    return find_other_convention(
        WrittenBox((x1 - 1, y1 - 1, x2, y2), size, False) for x1, y1, x2, y2 in boxes
    )


def random_corners(count: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    ends = generator.uniform(0, 1, (count, 2, 2)) * (SIZE.width, SIZE.height)
    return np.sort(ends, axis=1).reshape(count, 4)


def test_random_boxes_are_recognized() -> None:
    corners = random_corners(40)
    x1, y1, x2, y2 = corners.T
    widths = np.stack((x1, y1, x2 - x1, y2 - y1), axis=1)
    assert sides(*map(tuple, widths)) is None
    assert edges(*map(tuple, corners)) is None
    found = sides(*map(tuple, corners))
    assert found is not None
    assert "x1, y1, x2, y2" in found
    # A few wrong boxes do not make a file wrong, but a few right ones do not make it right either.
    assert sides(*map(tuple, [*widths[:30], *corners[30:]])) is None
    assert sides(*map(tuple, [*corners[:30], *widths[30:]])) is not None


def test_boxes_that_reach_slightly_beyond_their_images_are_sound() -> None:
    assert sides((3, 4, 500, 375), (10, 10, 495, 370)) is None
    assert sides((0, 0, 500, 375)) is None


def test_a_single_box_is_enough() -> None:
    assert sides((300, 200, 400, 300)) == (
        "the box has a width and height that reach beyond the image, but would fit as right and bottom edges "
        "(x1, y1, x2, y2): write each box as x, y, width, height"
    )
    assert sides((300, 200, 400, 300), size=None) is None


@pytest.mark.parametrize("check", [sides, edges])
def test_fractions(check) -> None:  # type: ignore[no-untyped-def]
    assert check((0.1, 0.2, 0.5, 0.75)) == (
        "the box has only coordinates between 0 and 1, which look like fractions of the image's width and height: "
        "multiply them by its size in pixels"
    )
    found = check((0.1, 0.2, 0.5, 0.75), (0, 0, 1, 1), (1, 2, 30, 40))
    assert found is not None
    assert found.startswith("2 of 3 boxes have only coordinates between 0 and 1")
    assert check((0.1, 0.2, 0.5, 0.75), (9, 9, 30.5, 40), (1, 2, 30, 40)) is None
    assert check((0.1, 0.2, 0.5, 0.75), size=None) is not None
    # In an image of a few pixels, or without decimals, these are pixels.
    assert check((0.1, 0.2, 0.5, 0.75), size=Size(2, 2)) is None
    assert check((0, 0, 1, 1)) is None


def test_no_boxes() -> None:
    assert sides() is None

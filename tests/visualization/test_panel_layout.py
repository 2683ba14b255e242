"""Position of an image in its panel, and number of panels in a row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.geometry.size import Size
from freeloc.visualization.panel_layout import PANEL_WIDTH, PanelLayout, even_columns, text_size


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 900))
def test_the_image_lies_within_its_panel(width: int, height: int, max_height: int) -> None:
    layout = PanelLayout.fit(Size(width, height), max_height)
    assert 1 <= layout.image.width <= PANEL_WIDTH
    assert 1 <= layout.image.height <= max_height
    assert layout.panel.width >= 150
    assert layout.panel.height >= 60
    for x, y in ((0, 0), (width, height)):
        across, down = layout.to_panel(x, y)
        assert 0 <= across <= layout.panel.width + 1e-6
        assert 0 <= down <= layout.panel.height + 1e-6
    assert layout.to_panel(0, 0) == (layout.left, layout.top)
    assert layout.to_panel(width, height) == pytest.approx(
        (layout.left + layout.image.width, layout.top + layout.image.height)
    )


def test_rows_are_filled_evenly() -> None:
    assert [even_columns(count, 540) for count in (1, 2, 3, 4, 5, 6, 7)] == [1, 2, 3, 2, 3, 3, 3]
    assert even_columns(3, 5000) == 1


def test_text_stays_readable() -> None:
    assert [text_size(height) for height in (1, 360, 9000)] == [13, 16, 28]

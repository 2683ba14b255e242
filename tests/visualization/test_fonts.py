"""Fonts: text fits the width, and a font contains its characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.visualization import fonts
from tests.hostile_names import HOSTILE, is_safe


@given(st.text(max_size=60), st.integers(12, 28), st.integers(60, 400))
@settings(max_examples=80)
def test_any_name_fits(name: str, size: int, width: int) -> None:
    words, font = fonts.fit_text(name, size, width)
    assert font.getlength(words) <= width
    assert "\n" not in words


def test_letters_that_no_font_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_SYSTEM_FONTS", ("no such font.ttf",))
    assert fonts._choose_font("café 狗", 16)[0] == "cafe U+72D7"
    assert fonts._choose_font("cafe", 16)[0] == "cafe"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_control_characters_are_escaped(name: str) -> None:
    words, _font = fonts.fit_text(name, 12, 1000)
    assert is_safe(words)

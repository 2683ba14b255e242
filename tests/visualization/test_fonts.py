"""Text in any script: it fits the width, its fonts contain its characters, and it is drawn in the right order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, features

from freeloc._typing import BoolArray
from freeloc.io.folders import font_folders
from freeloc.visualization import fonts, system_fonts
from tests.font_files import write_font
from tests.hostile_names import HOSTILE, is_safe

RAQM = pytest.mark.skipif(not features.check("raqm"), reason="Pillow was built without Raqm")


def clear_caches() -> None:
    fonts._font_files_of.cache_clear()
    system_fonts.find_font_file.cache_clear()
    system_fonts._font_files.cache_clear()
    fonts._warned_scripts.clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the only fonts of the system."""
    monkeypatch.setattr(system_fonts, "font_folders", lambda: (tmp_path / "fonts", tmp_path / "missing"))
    (tmp_path / "fonts").mkdir()
    clear_caches()
    yield tmp_path / "fonts"
    clear_caches()


def ink(line: fonts.TextLine) -> BoolArray:
    """Draw a line in a row of 40 pixels, from x = 10 on."""
    image = Image.new("L", (400, 40))
    line.draw(ImageDraw.Draw(image), 10, 0, 40, (255,))
    drawn: BoolArray = np.asarray(image) > 100
    return drawn


@given(st.text(max_size=60), st.integers(12, 28), st.integers(60, 400))
@settings(max_examples=60)
def test_any_name_fits(name: str, size: int, width: int) -> None:
    line = fonts.fit_text(name, size, width)
    assert line.width <= width
    assert "\n" not in line.text


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_control_characters_are_escaped(name: str) -> None:
    assert is_safe(fonts.fit_text(name, 12, 1000).text)


def test_plain_names_need_no_other_font(installed: Path) -> None:
    write_font(installed / "any.ttf", "dog", 0.8)
    line = fonts.fit_text("dog 2", 16, 1000)
    assert line.runs == (("dog 2", fonts._default_font(16)),)


def test_a_word_has_letters_of_one_font(installed: Path) -> None:
    write_font(installed / "any.ttf", "Straße", 0.8)
    assert [text for text, _ in fonts.fit_text("die Straße", 16, 1000).runs] == ["di", "e Straße"]


def test_each_part_is_drawn_with_a_font_that_contains_it(installed: Path) -> None:
    """The glyphs of the fonts are squares of different sizes."""
    write_font(installed / "NotoSansCJK-Regular.ttf", "狗猫", 0.8)
    write_font(installed / "Lohit-Devanagari.ttf", "क", 0.4)
    line = fonts.fit_text("a 狗猫 dog", 20, 1000)
    assert [text for text, _ in line.runs] == ["a", " 狗猫 ", "dog"]
    drawn = ink(fonts.fit_text("狗猫", 20, 1000))
    assert drawn.any(axis=0).sum() == pytest.approx(2 * 16, abs=2)
    assert drawn.any(axis=1).sum() == pytest.approx(16, abs=2)
    assert ink(fonts.fit_text("क", 20, 1000)).any(axis=0).sum() == pytest.approx(8, abs=2)


def test_all_parts_stand_on_one_line(installed: Path) -> None:
    write_font(installed / "any.ttf", "狗", 0.8)
    rows = [np.flatnonzero(ink(fonts.fit_text(text, 20, 1000)).any(axis=1)) for text in ("H", "狗", "H狗")]
    assert rows[0][-1] == pytest.approx(rows[1][-1], abs=1)
    assert rows[2][-1] == pytest.approx(rows[1][-1], abs=1)
    assert rows[2][0] == rows[1][0]


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("café 狗", "cafe Gou"),
        ("Straße", "Strasse"),
        ("собака", "sobaka"),
        ("कुत्ता", "kutta"),
        ("كلب", "klb"),
        ("한", "Han"),
        ("ا", "U+0627"),
    ],
)
def test_without_a_font_a_word_that_sounds_alike_is_drawn(installed: Path, name: str, drawn: str) -> None:
    assert fonts.fit_text(name, 16, 1000).text == drawn


def test_a_missing_font_is_reported_once(installed: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "freeloc"):
        for name in ("狗", "猫", "狗", "كلب"):
            fonts.fit_text(name, 16, 1000)
    assert [record.getMessage() for record in caplog.records] == [
        "no font on this computer can draw '狗': overlays show 'Gou'; install a font for CJK, such as Noto Sans",
        "no font on this computer can draw 'كلب': overlays show 'klb'; install a font for Arabic, such as Noto Sans",
    ]


@RAQM
def test_arabic_letters_join_and_run_from_right_to_left(installed: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="contains a font with Arabic letters")
    (installed / "DejaVuSans.ttf").write_bytes(
        Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf").read_bytes()
    )
    whole = fonts.fit_text("كلب", 24, 1000)
    assert whole.text == "كلب"
    # Joined letters are narrower than isolated ones.
    assert whole.width < sum(fonts.fit_text(letter, 24, 1000).width for letter in "كلب") - 4
    # The first letter is drawn at the right.
    first = ink(fonts.fit_text("ل ب ب", 24, 1000))
    mirrored = ink(fonts.fit_text("ب ب ل", 24, 1000))
    tall = [np.flatnonzero(drawn[: 14 + 4].any(axis=0)).mean() for drawn in (first, mirrored)]
    assert tall[0] > tall[1] + 10


@RAQM
def test_parts_of_a_name_from_right_to_left_change_their_order(installed: Path) -> None:
    write_font(installed / "NotoSansArabic.ttf", "كلب", 0.5)
    for name in ("كلب 狗", "dog كلب"):
        line = fonts.fit_text(name, 16, 1000)
        arabic = next(index for index, (text, _) in enumerate(line.runs) if "كلب" in text)
        assert len(line.runs) == 2
        assert arabic == 1


@pytest.mark.parametrize("name", ["كلب", "कुत्ता", "שלום"])
def test_a_pillow_without_shaping_draws_a_word_instead(
    installed: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_font(installed / "all.ttf", "".join(set(name)), 0.5)
    monkeypatch.setattr(features, "check", lambda feature: feature != "raqm")
    assert fonts.fit_text(name, 16, 1000).text.isascii()


def test_too_long_names_end_with_an_ellipsis(installed: Path) -> None:
    write_font(installed / "all.ttf", "狗", 0.8)
    line = fonts.fit_text("狗" * 50, 16, 100)
    assert line.text.endswith("狗...")
    assert 60 < line.width <= 100


def test_damaged_fonts_and_placeholder_fonts_are_passed_over(installed: Path) -> None:
    (installed / "NotoSansCJK.ttf").write_bytes(b"\0\1\0\0 torn")
    write_font(installed / "LastResort.otf", "狗", 0.9)
    assert fonts.fit_text("狗", 16, 1000).text == "Gou"
    clear_caches()
    write_font(installed / "other.ttf", "狗", 0.8)
    assert fonts.fit_text("狗", 16, 1000).text == "狗"


def test_the_system_has_font_folders() -> None:
    found = font_folders()
    assert found
    assert all(isinstance(folder, Path) for folder in found)


def test_the_fonts_pillow_opens_by_itself(installed: Path) -> None:
    assert system_fonts.open_font(installed / "missing.ttf", 16) is None
    assert isinstance(fonts._default_font(16), ImageFont.FreeTypeFont)

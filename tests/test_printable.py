"""Escaping of everything that is printed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc._printable import JOINERS, json_printable, printable, printable_lines, printable_message
from tests.hostile_names import HOSTILE, is_safe

PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
"""Text in which joiners change what is seen."""

ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("dog\x1b[31m", r"dog\x1b[31m"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x9b\x85\x7f", r"\x9b\x85\x7f"),
        ("\u202eabc\u2069\u200b\u2028", r"\u202eabc\u2069\u200b\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("\u3164", r"\u3164"),
        ("caf\udce9", r"caf\xe9"),  # how Python reads the byte E9 of a file name in Latin-1
        ("\ud83d", r"\ud83d"),
        ("d\u200dog \u200c", r"d\u200dog \u200c"),
    ],
)
def test_what_is_not_visible_is_escaped(text: str, escaped: str) -> None:
    assert printable(text) == escaped


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dog",
        "Köln",
        "東京",
        "собака",
        "كلب",
        "cafe\u0301",
        "🐕",
        "a\u3000b",
        PERSIAN,
        FAMILY,
        "C:\\dogs",
        "$x$ [red] <b>",
    ],
)
def test_what_is_visible_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names(name: str) -> None:
    shown = printable(name)
    assert is_safe(shown)
    assert len(shown.splitlines()) == 1


@given(ANY_TEXT | st.text(st.sampled_from("a\u0645\u200c\u200d\udce9\u202e")))
def test_any_text_becomes_one_safe_line(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert all(char.isprintable() or char.isspace() or JOINERS.match(char) for char in shown)
    shown.encode()
    assert printable(shown) == shown


@given(ANY_TEXT)
def test_line_breaks_that_are_intended_stay(text: str) -> None:
    assert printable_lines(text).split("\n") == [printable(line) for line in text.split("\n")]


@given(st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_json_keeps_its_values(values: dict[str, str]) -> None:
    shown = json_printable(json.dumps(values, ensure_ascii=False, indent=1))
    # A pair of escaped surrogates is one character in JSON.
    expected = json.loads(json.dumps(values))
    assert json.loads(shown) == expected
    assert all(char == "\n" or char.isprintable() or char.isspace() for char in shown)
    assert json.loads(shown.encode()) == expected


def test_a_message_that_fills_screens_loses_its_middle() -> None:
    for text in ("", "cannot read a.jpg", "x" * 6000, "dog\x1b[31m"):
        assert printable_message(text) == printable(text)
    shown = printable_message("image " + "[" * 100_000 + "\x1b is missing")
    assert len(shown) < 6100
    assert shown.startswith("image [[[")
    assert shown.endswith("[[[\\x1b is missing")
    assert f"[{6 + 100_000 + 4 + 11 - 6000} more characters]" in shown


@given(ANY_TEXT, st.integers(0, 2), st.sampled_from([1, 900, 1800]))
def test_a_long_message_is_one_safe_line(text: str, start: int, count: int) -> None:
    shown = printable_message(("ab"[:start] + text + FAMILY) * count)
    assert len(shown) < 6100
    assert printable(shown) == shown

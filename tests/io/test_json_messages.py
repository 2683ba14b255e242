"""What is wrong with JSON, in plain words."""

from __future__ import annotations

import pytest

from freeloc.io.json_messages import in_plain_words


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ("Expected `int | null`, got `str`", "it must be a whole number or null, not text"),
        ("Expected `int`", "it must be a whole number"),
        ("Expected `array` of length 3, got 2", "it must have exactly 3 items, not 2"),
        ("Expected `array` of at least length 1, got 0", "it must have at least 1 items, not 0"),
        ("Expected `str` of length <= 5", "it must have at most 5 characters"),
        ("Expected `int` <= 255", "it must be at most 255"),
        ("Expected `float` < 1.0", "it must be less than 1.0"),
        ("Invalid enum value 'round'", "'round' is not one of the possible values"),
        ("Object contains unknown field `size`", "the field size is unknown"),
        (
            "JSON is malformed: invalid character (byte 3)",
            "the JSON is malformed at byte 3 (invalid character)",
        ),
        ("Unsupported type: <class 'set'>", "it has a wrong value"),
        ("Two names are too many", "two names are too many"),
    ],
)
def test_messages(message: str, plain: str) -> None:
    assert in_plain_words(message) == plain

"""JSON from untrusted files: types, limits, and one-line messages that name the field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from freeloc.io.typed_json import convert_json, decode_json, reject_unknown_fields


@dataclass(frozen=True)
class Inner:
    name: Annotated[str, Meta(max_length=5)]


@dataclass(frozen=True)
class Outer:
    share: Annotated[float, Meta(ge=0, le=1)]
    inner: Inner | None = None
    names: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.names) == 2:
            raise ValueError("two names are\ntoo many")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_exact(value: float) -> None:
    back = decode_json(json.dumps(value))
    assert math.copysign(1, back) == math.copysign(1, value)
    assert back == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "malformed"),
        ("[1, Infinity]", "malformed"),
        ('{"a": 1', "the JSON ends too early"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 50_000, "nested too deeply"),
        ('"\ud800"', "surrogates"),
        (f'"{"x" * 100}"', r"0\.0 MB, more than the limit of 0\.0 MB"),
    ],
)
def test_what_is_not_json_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        decode_json(text, max_bytes=100 if "x" * 100 in text else 2**24)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (3, "it must be an object, not a whole number"),
        ({}, "the field share is missing"),
        ({"share": "0.5"}, "^share: it must be a number, not text$"),
        ({"share": True}, "^share: it must be a number, not true or false$"),
        ({"share": 1.5}, "^share: it must be at most 1.0$"),
        ({"share": math.nan}, "^share: it must be at least 0.0$"),
        ({"share": 10**400}, "^share: the number is out of range$"),
        ({"share": 0, "inner": {"name": "too long"}}, r"^inner\.name: it must have at most 5 characters$"),
        ({"share": 0, "names": ["a", 3]}, r"^names\[1\]: it must be text, not a whole number$"),
        ({"share": 0, "names": ["a", "b"]}, "^two names are too many$"),
        ({"share": 0, "facts": []}, "^facts: it must be an object, not a list$"),
    ],
)
def test_wrong_values_are_named(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        convert_json(values, Outer)
    assert "\n" not in str(caught.value)


def test_right_values_are_converted() -> None:
    found = convert_json({"share": 1, "inner": {"name": "a", "other": 3}, "names": ["x"]}, Outer)
    assert found == Outer(1.0, Inner("a"), ("x",))


def test_unknown_fields_can_be_rejected() -> None:
    reject_unknown_fields("inner", {"name": 3}, Inner)
    reject_unknown_fields("inner", None, Inner)
    with pytest.raises(ValueError, match="inner has the unknown field 'color'"):
        reject_unknown_fields("inner", {"name": "a", "color": 3}, Inner)
    with pytest.raises(ValueError, match="…$") as caught:
        reject_unknown_fields("inner", {"x" * 10**6: 3}, Inner)
    assert len(str(caught.value)) < 400

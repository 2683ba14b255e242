"""Say in plain words what is wrong with JSON; msgspec speaks of Python's types and of its own annotations."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["in_plain_words"]

_KINDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
"""JSON's types: their names in msgspec's messages, and in freeloc's."""

_LIMITS: Final = {
    "<=": "at most",
    ">=": "at least",
    "<": "less than",
    ">": "more than",
    "at least length": "at least",
    "at most length": "at most",
}

_UNITS: Final = {"str": "characters", "array": "items", "object": "fields"}


def in_plain_words(message: str) -> str:
    """Return a message of msgspec in plain words, without the path at its end.

    A message that is not known becomes "it has a wrong value", so that no word of the library is shown.

    Example:
        >>> in_plain_words("Expected `str | null`, got `int`")
        'it must be text or null, not a whole number'
        >>> in_plain_words("Expected `array` of length <= 3")
        'it must have at most 3 items'
    """
    for pattern, describe in _PATTERNS:
        match = pattern.fullmatch(message)
        if match is not None:
            return describe(match)
    return "it has a wrong value"


def _kinds(names: str) -> str:
    return " or ".join(dict.fromkeys(_KINDS.get(name, "another value") for name in names.split(" | ")))


def _wrong_kind(match: re.Match[str]) -> str:
    found = "" if match[2] is None else f", not {_kinds(match[2])}"
    return f"it must be {_kinds(match[1])}{found}"


def _wrong_length(match: re.Match[str]) -> str:
    limit, unit = _LIMITS.get(match[2] or "", "exactly"), _UNITS.get(match[1], "bytes")
    found = "" if match[4] is None else f", not {match[4]}"
    return f"it must have {limit} {match[3]} {unit}{found}"


def _malformed(match: re.Match[str]) -> str:
    return f"the JSON is malformed at byte {match[2]} ({match[1]})"


_PATTERNS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = tuple(
    (re.compile(pattern), describe)
    for pattern, describe in (
        (
            r"Expected `(\w+)` of (?:length )?(<=|>=|at least length|at most length)? ?(\d+)(?:, got (\d+))?",
            _wrong_length,
        ),
        (
            r"Expected `(?:int|float)` (<=|>=|<|>) (\S+)",
            lambda match: f"it must be {_LIMITS[match[1]]} {match[2]}",
        ),
        (r"Expected `([^`]+)`(?:, got `([^`]+)`)?", _wrong_kind),
        (r"(?:Integer value|Number) out of range", lambda _: "the number is out of range"),
        (r"Invalid (?:enum )?value (.+)", lambda match: f"{match[1]} is not one of the possible values"),
        (r"Object missing required field `(.+)`", lambda match: f"the field {match[1]} is missing"),
        (r"Object contains unknown field `(.+)`", lambda match: f"the field {match[1]} is unknown"),
        (r"Input data was truncated", lambda _: "the JSON ends too early"),
        (r"JSON is malformed: (.+) \(byte (\d+)\)", _malformed),
        # Errors raised by the classes themselves are freeloc's own.
        (
            r"((?!Expected |Invalid |Object |Unsupported ).+)",
            lambda match: f"{match[1][:1].lower()}{match[1][1:]}",
        ),
    )
)
"""msgspec's messages, and what to say instead."""

"""Parse ids, flags and sizes in annotations, which tools write in several harmless ways.

Tools that use floating-point tables write the id 1 as 1.0, and a missing value as null or NaN. These are
unambiguous, so they are read as intended; everything else is left to the caller to report.
"""

from __future__ import annotations

import math

__all__ = ["CocoId", "is_null", "parse_flag", "parse_id", "parse_numbers", "parse_side"]

CocoId = int | str
"""Id of an image or a category; official COCO files use integers."""

_MAX_SIDE = 10**9


def is_null(value: object) -> bool:
    """Return whether a value is missing: null, or NaN, as which floating-point tables write it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def parse_id(value: object) -> CocoId | None:
    """Return an id as an integer or a string, or None if the value is neither.

    Example:
        >>> parse_id(7.0), parse_id("7"), parse_id(7.5), parse_id(True)
        (7, '7', None, None)
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def parse_flag(value: object) -> bool | None:
    """Return a flag that is 0, 1, false, true or null (which means false), or None if the value is anything else.

    Example:
        >>> parse_flag(1.0), parse_flag(None), parse_flag(2)
        (True, False, None)
    """
    if is_null(value):
        return False
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None


def parse_side(value: object) -> int | None:
    """Return a width or height, given as a number or a numeral, as an integer.

    Returns:
        The side in pixels; 0 if it is unknown, which tools write as null or 0; None if it is not a whole number.

    Example:
        >>> parse_side(500.0), parse_side("500"), parse_side(None), parse_side(-1), parse_side(1.5)
        (500, 500, 0, None, None)
    """
    if is_null(value):
        return 0
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    number = parse_id(value)
    return number if isinstance(number, int) and 0 <= number <= _MAX_SIDE else None


def parse_numbers(value: object, count: int | None = None) -> tuple[float, ...] | None:
    """Return a list of finite numbers, or None if the value is anything else, or if the list has another length.

    Example:
        >>> parse_numbers([1, 2.5]), parse_numbers([1, 2.5], 3), parse_numbers([True]), parse_numbers(["1"])
        ((1.0, 2.5), None, None, None)
    """
    if not isinstance(value, list) or (count is not None and len(value) != count):
        return None
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in value):
        return None
    try:
        numbers = tuple(map(float, value))
    except OverflowError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None

"""Ids, flags and sizes as various tools write them."""

from __future__ import annotations

import math

import pytest

from freeloc.datasets.json_values import is_null, parse_flag, parse_id, parse_numbers, parse_side


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        (7.0, 7),
        (-2.0, -2),
        ("7", "7"),
        (1e20, 10**20),
        (7.5, None),
        (True, None),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        ([7], None),
    ],
)
def test_ids(value: object, expected: object) -> None:
    found = parse_id(value)
    assert (found, type(found)) == (expected, type(expected))


def test_flags() -> None:
    assert [parse_flag(value) for value in (0, 0.0, False, None, math.nan)] == [False] * 5
    assert [parse_flag(value) for value in (1, 1.0, True)] == [True] * 3
    wrong: tuple[object, ...] = (2, -1, 0.5, "1", [], math.inf)
    assert [parse_flag(value) for value in wrong] == [None] * len(wrong)


def test_sides() -> None:
    assert [parse_side(value) for value in (500, 500.0, "500", " 500.0 ")] == [500] * 4
    assert [parse_side(value) for value in (0, 0.0, None, math.nan, "0")] == [0] * 5
    wrong: tuple[object, ...] = (-1, 1.5, True, "", "wide", "nan", math.inf, 10**400, 1e300, [500])
    assert [parse_side(value) for value in wrong] == [None] * len(wrong)


def test_null() -> None:
    assert is_null(None)
    assert is_null(math.nan)
    assert not any(map(is_null, (0, "", [], "nan", False)))


def test_numbers() -> None:
    assert parse_numbers([1, 2.5, -0.0]) == (1.0, 2.5, 0.0)
    assert parse_numbers([]) == parse_numbers([], 0) == ()
    wrong: tuple[object, ...] = (
        None,
        3,
        (1, 2),
        "12",
        [True],
        ["1"],
        [None],
        [math.nan],
        [math.inf],
        [10**400],
    )
    assert [parse_numbers(value) for value in wrong] == [None] * len(wrong)
    assert parse_numbers([1, 2], 3) is None

"""Records of large JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.datasets.json_records import read_items, read_records
from freeloc.errors import MalformedFileError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(
    st.dictionaries(st.text(max_size=3), JSON, max_size=3),
    st.lists(JSON, max_size=5),
    st.lists(JSON, max_size=5),
    st.sampled_from([None, 0, 2]),
)
def test_records_are_those_of_the_json_module(
    others: dict[str, Any], first: list[Any], second: list[Any], indent: int | None
) -> None:
    contents = {"first": first, **{f"x{key}": value for key, value in others.items()}, "second": second}
    text = json.dumps(contents, indent=indent)
    seen: dict[str, list[Any]] = {"first": [], "second": []}
    lines: list[int] = []

    def visitor(key: str) -> Any:
        def visit(record: Any, line: int) -> None:
            seen[key].append(record)
            lines.append(line)

        return visit

    assert read_records(Path("a.json"), text, {key: visitor(key) for key in seen}) == set(seen)
    assert seen == {"first": first, "second": second}
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


@settings(max_examples=40)
@given(st.lists(JSON, max_size=5), st.sampled_from([None, 0, 2]))
def test_items_are_those_of_the_json_module(items: list[Any], indent: int | None) -> None:
    seen: list[Any] = []
    read_items(Path("a.json"), json.dumps(items, indent=indent), lambda record, line: seen.append(record))
    assert seen == items


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("{}", 1, "the file must contain one JSON list"),
        ("", 1, "the file must contain one JSON list"),
        ("[1\n2]", 2, "',' or ']' is missing"),
        ("[1,\n", 2, "Expecting value"),
        ("[1]\n\n]", 3, "text follows the end of the list"),
        ("[" + "9" * 5000 + "]", 1, "a number in this value has too many digits"),
        ("[" + "[" * 100_000, None, "it is nested too deeply"),
    ],
)
def test_a_damaged_list_is_named_with_its_line(text: str, line: int | None, reason: str) -> None:
    with pytest.raises(MalformedFileError) as caught:
        read_items(Path("a.json"), text, lambda record, line: None)
    assert (caught.value.line, caught.value.reason) == (line, f"malformed JSON: {reason}")


def test_values_of_chosen_keys_are_stored() -> None:
    values: dict[str, Any] = {"categories": None, "version": "none"}
    text = json.dumps({"other": [1], "categories": {"a": [2]}, "items": [3]})
    assert read_records(Path("a.json"), text, {"items": lambda record, line: None}, values) == {"items"}
    assert values == {"categories": {"a": [2]}, "version": "none"}

"""Records of large JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.datasets.json_records import read_records

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

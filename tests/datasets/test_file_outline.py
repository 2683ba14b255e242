from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.file_outline import outline_json, read_beginning

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=4), st.integers(0, 4) | st.none())
def test_the_keys_are_those_of_the_object(value: dict[str, object], indent: int | None) -> None:
    outline = outline_json(json.dumps(value, indent=indent))
    assert (outline.kind, set(outline.keys)) == ("object", set(value))
    in_list = outline_json(json.dumps([value, {"other": 1}], indent=indent))
    assert (in_list.kind, set(in_list.keys)) == ("list", set(value))


@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=4), st.floats(0, 1))
def test_the_keys_of_a_beginning_are_among_those_of_the_whole(value: dict[str, object], share: float) -> None:
    text = json.dumps(value)
    assert outline_json(text[: int(share * len(text))]).keys <= value.keys()


def test_other_texts_have_no_keys() -> None:
    for text in ("", "  ", "3", '"a": 1', "}", "<annotations>", "\0"):
        assert (outline_json(text).kind, outline_json(text).keys) == ("", frozenset())


def test_only_the_beginning_of_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"\xef\xbb\xbf{" + b" " * 100_000 + b"}")
    assert read_beginning(file) == "{" + " " * (65536 - 4)
    assert read_beginning(tmp_path / "missing") == ""

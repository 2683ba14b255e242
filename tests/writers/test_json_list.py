"""Lists in JSON files, written one item at a time."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.errors import OutputError
from freeloc.writers.json_list import write_json_list

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False)
)


@settings(max_examples=10)  # each is flushed to the disk twice
@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=4))
def test_the_list_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, items: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("list") / "a.json"
    write_json_list(path, items)
    assert json.loads(path.read_text("utf-8")) == items
    write_json_list(path, items, before='{"a": [', after='], "b": 1}')
    assert json.loads(path.read_text("utf-8")) == {"a": items, "b": 1}


class Item(dict[str, int]):
    """An item to which weak references are possible."""


def test_no_item_is_kept(tmp_path: Path) -> None:
    alive: list[weakref.ref[Item]] = []

    def items() -> Iterator[Item]:
        for number in range(100):
            assert sum(each() is not None for each in alive) <= 1
            item = Item(number=number)
            alive.append(weakref.ref(item))
            yield item
            del item

    write_json_list(tmp_path / "a.json", items())
    assert json.loads((tmp_path / "a.json").read_text())[99] == {"number": 99}


def test_an_error_leaves_the_earlier_file(tmp_path: Path) -> None:
    def items() -> Iterator[dict[str, int]]:
        yield {"a": 1}
        raise OutputError("mine")

    path = tmp_path / "a.json"
    path.write_text("earlier")
    with pytest.raises(OutputError, match="mine"):
        write_json_list(path, items())
    assert path.read_text() == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]

"""Image resources of Photoshop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.images.photoshop_resources import find_resource


def resource(number: int, content: bytes, name: bytes = b"") -> bytes:
    pascal = bytes([len(name)]) + name
    pascal += b"\0" * (len(pascal) % 2)
    return b"8BIM" + number.to_bytes(2) + pascal + len(content).to_bytes(4) + content


@pytest.mark.parametrize("name", [b"", b"a", b"ab"])
@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_a_resource_after_others(name: bytes, before: bytes, padding: bytes) -> None:
    first = resource(0x03ED, before, name) + padding * (len(before) % 2)
    block = first + resource(0x0404, b"dog", name) + resource(0x0404, b"cat")
    assert find_resource(block, 0x0404) == b"dog"
    assert find_resource(block, 0x0405) is None


def test_a_resource_that_is_cut_off_is_shorter() -> None:
    block = resource(0x0404, b"keywords")
    assert find_resource(block[:-3], 0x0404) == b"keywo"


@given(st.binary(max_size=40))
def test_any_bytes_are_searched(block: bytes) -> None:
    for data in (block, b"8BIM" + block, resource(1, b"x") + b"8BIM" + block):
        found = find_resource(data, 0x0404)
        assert found is None or found in data

"""IPTC blocks: character sets, long values, padding and damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.keywords.iptc_block import read_iptc
from freeloc.datasets.keywords.metadata_error import MetadataError

UTF_8 = b"\x1c\x01\x5a\x00\x03\x1b%G"


def dataset(value: bytes, number: int = 25) -> bytes:
    return bytes((0x1C, 2, number)) + len(value).to_bytes(2) + value


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip).filter(bool))
)
def test_keywords_in_utf_8_are_read_back(keywords: list[str]) -> None:
    block = UTF_8 + dataset(b"title", 5) + b"".join(dataset(each.encode()) for each in keywords)
    assert read_iptc(block) == tuple(keywords)


def test_text_of_an_undeclared_character_set() -> None:
    assert read_iptc(dataset("Düne".encode())) == ("Düne",)
    assert read_iptc(dataset("Düne".encode("latin-1"))) == ("Düne",)
    assert read_iptc(dataset("5 €".encode("cp1252"))) == ("5 €",)
    assert read_iptc(dataset(b"a\x81")) == ("a\x81",)  # not defined in Windows-1252
    assert read_iptc(b"\x1c\x01\x5a\x00\x03\x1b.A" + dataset("Düne".encode("latin-1"))) == ("Düne",)


def test_long_values_and_padding() -> None:
    value = b"x" * 40_000
    block = b"\x1c\x02\x19\x80\x04" + len(value).to_bytes(4) + value
    assert read_iptc(block + dataset(b"dog") + b"\0\0\0") == (value.decode(), "dog")
    assert read_iptc(dataset(b"dog\0")) == ("dog",)
    assert read_iptc(b"") == read_iptc(b"\0\0") == ()


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (dataset(b"dog")[:-1], "truncated after 7 bytes"),
        (dataset(b"dog") + b"\x1c\x02", "damaged at byte 8"),
        (b"8BIM", "damaged at byte 0"),
        (dataset(b"dog") + b"rest", "damaged at byte 8"),
        (UTF_8 + dataset("Düne".encode("latin-1")), "is not UTF-8, as the block says"),
    ],
)
def test_damage_is_refused(block: bytes, reason: str) -> None:
    with pytest.raises(MetadataError, match=reason) as caught:
        read_iptc(block)
    assert caught.value.reason.endswith("let the program that wrote it write it again")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(block: bytes) -> None:
    for data in (block, dataset(b"dog") + b"\x1c\x02\x19" + block):
        try:
            assert all(isinstance(text, str) for text in read_iptc(data))
        except MetadataError as error:
            assert error.reason

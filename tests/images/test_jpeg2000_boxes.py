"""Boxes of JPEG 2000 files."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from freeloc.images.jpeg2000_boxes import EXIF, XMP, metadata_boxes, read_boxes


def box(kind: bytes, content: bytes, *, long: bool = False) -> bytes:
    if long:
        return (1).to_bytes(4) + kind + (len(content) + 16).to_bytes(8) + content
    return (len(content) + 8).to_bytes(4) + kind + content


def test_boxes_of_all_lengths() -> None:
    data = box(b"jP  ", b"abcd") + box(b"uuid", XMP + b"dog", long=True) + (0).to_bytes(4) + b"jp2crest"
    boxes = list(read_boxes(io.BytesIO(data)))
    assert [(each.kind, data[each.start : each.end]) for each in boxes] == [
        (b"jP  ", b"abcd"),
        (b"uuid", XMP + b"dog"),
        (b"jp2c", b"rest"),
    ]


def test_the_first_box_of_each_kind_of_metadata() -> None:
    data = (
        box(b"uuid", EXIF + b"MM")
        + box(b"xml ", b"x")
        + box(b"uuid", XMP + b"dog")
        + box(b"uuid", XMP + b"cat")
    )
    assert metadata_boxes(io.BytesIO(data)) == {EXIF: b"MM", XMP: b"dog"}


@given(st.binary(max_size=60))
def test_any_bytes_have_boxes_inside_the_file(data: bytes) -> None:
    for each in read_boxes(io.BytesIO(data)):
        assert each.end <= len(data)

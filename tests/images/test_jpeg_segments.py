"""Metadata that a JPEG file divides among several segments."""

from __future__ import annotations

import random

import pytest

from freeloc.images.jpeg_segments import extended_xmp, photoshop_block

GUID = "9D85F4ABF04DB9395A04FD897B6A8667"
PACKET = bytes(range(256)) * 600


def segment(start: int, end: int, guid: str = GUID, packet: bytes = PACKET) -> tuple[str, bytes]:
    header = guid.encode() + len(packet).to_bytes(4) + start.to_bytes(4)
    return "APP1", b"http://ns.adobe.com/xmp/extension/\0" + header + packet[start:end]


WHOLE = [segment(start, start + 65_000) for start in range(0, len(PACKET), 65_000)]


def test_parts_of_a_packet_in_any_order() -> None:
    parts = list(WHOLE)
    random.Random(1).shuffle(parts)
    assert extended_xmp([("APP0", b"JFIF"), *parts, ("APP1", b"Exif\0\0")]) == {GUID: PACKET}
    assert extended_xmp([*parts, parts[0]]) == {GUID: PACKET}
    assert extended_xmp([]) == {}


def test_packets_with_other_guids_are_apart() -> None:
    other = segment(0, 4, GUID[::-1].lower(), b"dogs")
    assert extended_xmp([other, *WHOLE]) == {GUID: PACKET, GUID[::-1]: b"dogs"}


@pytest.mark.parametrize(
    "parts",
    [WHOLE[1:], WHOLE[:-1], [WHOLE[0], *WHOLE[2:]], [segment(0, 65_000), segment(64_000, len(PACKET))]],
)
def test_a_packet_of_which_a_part_is_missing(parts: list[tuple[str, bytes]]) -> None:
    assert extended_xmp(parts) == {GUID: None}


def test_a_segment_without_a_whole_header_is_none() -> None:
    assert extended_xmp([("APP1", WHOLE[0][1][:70])]) == {}


def test_image_resources_in_several_segments_are_joined() -> None:
    head = b"Photoshop 3.0\0"
    segments = [
        ("APP13", head + b"8BIM12"),
        ("APP13", b"Adobe_CM"),
        ("APP1", head + b"x"),
        ("APP13", head + b"345"),
    ]
    assert photoshop_block(segments) == b"8BIM12345"

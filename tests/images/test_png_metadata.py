"""Metadata in the chunks of PNG files."""

from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image

from freeloc.images.png_metadata import EXIF, IPTC, XMP, png_metadata
from tests.images.sample_images import png_bytes, png_chunks

PACKET = b"<x:xmpmeta>" + b"dog " * 600_000 + b"</x:xmpmeta>"
"""More than Pillow would read."""


def image_with(*chunks: tuple[bytes, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3)).save(buffer, "PNG")
    header, *rest = png_chunks(buffer.getvalue())
    return io.BytesIO(png_bytes([header, *chunks, *rest]))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0XMP\0" + zlib.compress(PACKET)),
        (b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(b"\nxmp\n 12\n" + PACKET.hex().encode())),
    ],
)
def test_long_packets(kind: bytes, body: bytes) -> None:
    assert png_metadata(image_with((kind, body))) == {XMP: PACKET}


def test_each_kind_once() -> None:
    chunks = (
        (b"tEXt", b"Comment\0" + b"61" * 9),
        (b"tEXt", b"Raw profile type iptc\0\nIPTC profile\n      3\n64\n6f67\n"),
        (b"eXIf", b"MM\0*"),
        (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 4\n49492a00")),
    )
    assert png_metadata(image_with(*chunks)) == {IPTC: b"dog", EXIF: b"MM\0*"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"zTXt", b"Raw profile type iptc\0\0" + b"damaged"),
        (b"tEXt", b"Raw profile type iptc\0\niptc\n 3\nno digits"),
        (b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(b"0" * 70_000_000, 1)),
        (b"iTXt", b"XML:com.adobe"),
    ],
)
def test_damaged_and_enormous_texts_are_left_out(kind: bytes, body: bytes) -> None:
    assert png_metadata(image_with((kind, body))) == {}

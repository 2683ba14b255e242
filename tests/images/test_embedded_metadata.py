"""Metadata of image files: what is there, what is damaged, and what is no image."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from freeloc.errors import ImageError
from freeloc.images.embedded_metadata import EmbeddedMetadata, read_embedded_metadata

IMAGE = Image.new("RGB", (8, 6), (200, 30, 30))
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
IPTC = b"\x1c\x02\x19\x00\x03dog"
XP = "dog;sea".encode("utf-16-le") + b"\0\0"


def exif_with_keywords() -> Image.Exif:
    exif = Image.Exif()
    exif[0x9C9E] = XP
    return exif


def with_iptc(jpeg: bytes) -> bytes:
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(IPTC).to_bytes(4) + IPTC
    return jpeg[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2) + body + jpeg[2:]


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    IMAGE.save(buffer, kind, **options)
    return buffer.getvalue()


def read(folder: Path, data: bytes) -> EmbeddedMetadata:
    (folder / "image").write_bytes(data)
    return read_embedded_metadata(folder / "image")


def test_all_kinds_in_a_jpeg_and_a_tiff(tmp_path: Path) -> None:
    expected = EmbeddedMetadata(XMP, IPTC, XP)
    jpeg = with_iptc(encoded("JPEG", xmp=XMP, exif=exif_with_keywords()))
    assert read(tmp_path, jpeg) == expected
    tags = {700: XMP, 33723: IPTC, 0x9C9E: XP}
    assert read(tmp_path, encoded("TIFF", tiffinfo=tags)) == expected


def test_an_iptc_block_in_two_segments(tmp_path: Path) -> None:
    block = IPTC * 9000
    resource = b"8BIM\x04\x04\0\0" + len(block).to_bytes(4) + block
    plain, head = encoded("JPEG"), b"Photoshop 3.0\0"
    parts = (head + resource[:65_000], head + resource[65_000:])
    segments = b"".join(b"\xff\xed" + (len(part) + 2).to_bytes(2) + part for part in parts)
    assert read(tmp_path, plain[:2] + segments + plain[2:]).iptc == block


def test_an_iptc_block_in_the_image_resources_of_a_tiff(tmp_path: Path) -> None:
    resource = b"8BIM\x04\x04\0\0" + len(IPTC).to_bytes(4) + IPTC
    assert read(tmp_path, encoded("TIFF", tiffinfo={34377: resource})).iptc == IPTC


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_in_other_formats(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, encoded(kind, exif=exif_with_keywords())) == EmbeddedMetadata(xp_keywords=XP)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_images_without_metadata(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, encoded(kind)) == EmbeddedMetadata()


def test_damaged_exif_counts_as_missing(tmp_path: Path) -> None:
    data = encoded("JPEG", exif=exif_with_keywords(), xmp=XMP)
    assert read(tmp_path, data.replace(b"MM\0*\0\0\0\x08", b"MM\0*\xff\xff\xff\xff")) == EmbeddedMetadata(XMP)
    assert read(tmp_path, data.replace(b"Exif\0\0MM\0*", b"Exif\0\0XXXX")) == EmbeddedMetadata(XMP)


def test_the_pixels_are_not_decoded(tmp_path: Path) -> None:
    data = encoded("JPEG", xmp=XMP)
    assert read(tmp_path, data[: data.index(b"\xff\xda") + 20]) == EmbeddedMetadata(XMP)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not an image in a supported format"):
        read(tmp_path, b"text")
    with pytest.raises(ImageError, match="the file does not exist"):
        read_embedded_metadata(tmp_path / "gone.jpg")

"""Detection of truncated JPEG files."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freeloc.images.jpeg_end import has_end_marker


def jpeg(width: int = 24, height: int = 16, exif: bytes = b"") -> bytes:
    image = Image.radial_gradient("L").resize((width, height)).convert("RGB")
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


JPEG = jpeg()
THUMBNAIL = b"Exif\0\0" + jpeg(8, 8)


def is_whole(data: bytes) -> bool:
    return has_end_marker(io.BytesIO(data))


@pytest.mark.parametrize("tail", [b"", b"\0" * 5000, JPEG[:200]])
def test_anything_may_follow_the_end(tail: bytes) -> None:
    assert is_whole(JPEG + tail)


def test_a_truncated_jpeg() -> None:
    assert not is_whole(JPEG[:-20])


def test_the_end_of_a_thumbnail_does_not_count() -> None:
    whole = jpeg(exif=THUMBNAIL)
    assert is_whole(whole)
    assert not is_whole(whole[:-20])


@given(st.integers(2, len(JPEG)), st.binary(max_size=40))
def test_every_jpeg_that_decodes_passes(length: int, tail: bytes) -> None:
    # Truncated, or complete and followed by other data. A decoder may accept other bytes instead of the end
    # marker.
    data = JPEG[:length] if length < len(JPEG) else JPEG + tail
    try:
        Image.open(io.BytesIO(data)).load()
    except (OSError, SyntaxError):
        return
    assert is_whole(data)

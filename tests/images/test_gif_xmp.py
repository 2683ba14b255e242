"""XMP in GIF files."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from freeloc.images.gif_xmp import find_gif_xmp

XMP = ("<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + "é\0\u3053" * 200 + "</x:xmpmeta>").encode()
EXTENSION = b"!\xff\x0bXMP DataXMP" + XMP + b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def gif(frames: int = 1, **options: object) -> bytes:
    images = [Image.effect_noise((40, 30), 60 + frame) for frame in range(frames)]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], **options)
    return buffer.getvalue()


def test_before_the_first_image_and_after_the_last() -> None:
    plain = gif(3, comment=b"a comment", loop=0)
    colors = 13 + 3 * 256
    for data in (plain[:colors] + EXTENSION + plain[colors:], plain[:-1] + EXTENSION + b";"):
        assert find_gif_xmp(io.BytesIO(data)) == XMP
        assert Image.open(io.BytesIO(data)).size == (40, 30)
    assert find_gif_xmp(io.BytesIO(plain)) is None


@pytest.mark.parametrize("after", [0, 5, 13, 200, 790, 800, 1000])
def test_a_file_that_is_cut_off_has_none(after: int) -> None:
    plain = gif()
    assert find_gif_xmp(io.BytesIO((plain[:-1] + EXTENSION)[:after])) is None

"""BMP files of every bit depth, written byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from freeloc.images.decode import load_image
from tests.images.sample_images import scene

Colors = list[tuple[int, int, int]]

BITFIELDS = 3


def bmp(
    indices: np.ndarray,
    bits: int,
    palette: Colors | None = None,
    *,
    masks: tuple[int, ...] = (),
    core: bool = False,
) -> bytes:
    """Return a BMP file of (H, W) pixel values; the palette is RGB."""
    height, width = indices.shape
    rows = []
    for row in indices[::-1]:
        if bits < 8:
            shifts = np.arange(bits - 1, -1, -1)
            data = np.packbits((row[:, None] >> shifts & 1).astype(np.uint8).ravel()).tobytes()
        else:
            data = b"".join(int(value).to_bytes(bits // 8, "little") for value in row)
        rows.append(data + bytes(-len(data) % 4))
    pixels = b"".join(rows)
    if core:
        table = b"".join(bytes((b, g, r)) for r, g, b in palette or [])
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        table = b"".join(bytes((b, g, r, 0)) for r, g, b in palette or [])
        size = 108 if masks else 40
        header = struct.pack(
            "<IiiHHIIiiII",
            size,
            width,
            height,
            1,
            bits,
            BITFIELDS if masks else 0,
            0,
            0,
            0,
            len(palette or []),
            0,
        )
        header += struct.pack("<4I", *masks).ljust(68, b"\0") if masks else b""
    start = 14 + len(header) + len(table)
    return struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start) + header + table + pixels


def gray(count: int) -> Colors:
    return [(value, value, value) for value in range(count)]


BLACK_WHITE: Colors = [(0, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize("core", [False, True])
@pytest.mark.parametrize(
    ("bits", "palette"),
    [
        (1, BLACK_WHITE),
        (1, [(255, 255, 255), (0, 0, 0)]),
        (4, BLACK_WHITE),
        (8, BLACK_WHITE),
        (4, gray(16)),
        (8, gray(16)),
        (8, gray(256)),
        (8, gray(255)),
        (4, [(i * 17, 255 - i, i) for i in range(16)]),
        (8, [(i, 255 - i, i // 2) for i in range(256)]),
    ],
)
def test_palettes(bits: int, palette: Colors, core: bool) -> None:
    if core:
        palette = palette + [(9, 9, 9)] * (2**bits - len(palette))  # a core header has no count of colors
    indices = np.arange(13 * 21).reshape(13, 21) * 7 % len(palette)
    assert np.array_equal(load_image(bmp(indices, bits, palette, core=core)), np.array(palette)[indices])


RGBA_MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


def test_an_alpha_channel_of_zeros_is_ignored() -> None:
    red, green, blue = np.moveaxis(scene().astype(np.int64), 2, 0)
    values = red << 16 | green << 8 | blue
    assert np.array_equal(load_image(bmp(values, 32, masks=RGBA_MASKS)), scene())
    assert np.array_equal(load_image(bmp(values, 32)), scene())


def test_any_other_alpha_channel_counts() -> None:
    red, green, blue = np.moveaxis(scene().astype(np.int64), 2, 0)
    values = red << 16 | green << 8 | blue
    values[:, 20:] |= 0xFF << 24
    image = load_image(bmp(values, 32, masks=RGBA_MASKS))
    assert (image[:, :20] == 255).all()
    assert np.array_equal(image[:, 20:], scene()[:, 20:])

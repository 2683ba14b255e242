"""PNG files: metadata never decides whether the pixels are read, and transparent colors of every bit depth."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image, read_image_size
from tests.images.sample_images import png_bytes, scene, stored

Chunk = tuple[bytes, bytes]

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def rows(samples: np.ndarray, bits: int) -> bytes:
    """Return (H, W, C) samples as unfiltered rows."""
    height = len(samples)
    if bits == 16:
        packed = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    else:
        values = samples.reshape(height, -1)
        shifts = np.arange(bits - 1, -1, -1)
        packed = np.packbits((values[..., None] >> shifts & 1).reshape(height, -1).astype(np.uint8), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)


def png(
    samples: np.ndarray,
    bits: int,
    color: int,
    before: list[Chunk] | None = None,
    after: list[Chunk] | None = None,
) -> bytes:
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    data = zlib.compress(rows(samples, bits))
    half = len(data) // 2
    pixels = [(b"IDAT", data[:half]), (b"IDAT", data[half:])]
    return png_bytes([(b"IHDR", header), *(before or []), *pixels, *(after or []), (b"IEND", b"")])


def plain(before: list[Chunk] | None = None, after: list[Chunk] | None = None) -> bytes:
    return png(scene(), 8, RGB, before, after)


def with_wrong_checksum(data: bytes, kind: bytes) -> bytes:
    start = data.index(kind)
    (length,) = struct.unpack_from(">I", data, start - 4)
    damaged = bytearray(data)
    damaged[start + 4 + length] ^= 1
    return bytes(damaged)


def exif(orientation: int) -> bytes:
    return struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x112, 3, 1, orientation) + bytes(4)


# --- metadata ---------------------------------------------------------------------------------------------

LARGE = os.urandom(3_000_000)
DENSE = bytes(50_000_000)

METADATA: dict[str, Chunk] = {
    "large profile": (b"iCCP", b"name\0\0" + zlib.compress(LARGE)),
    "dense profile": (b"iCCP", b"name\0\0" + zlib.compress(DENSE)),
    "damaged profile": (b"iCCP", b"name\0\0not compressed"),
    "profile of an unknown method": (b"iCCP", b"name\0\7" + zlib.compress(b"x")),
    "empty profile": (b"iCCP", b""),
    "large text": (b"tEXt", b"Comment\0" + LARGE),
    "large compressed text": (b"zTXt", b"Comment\0\0" + zlib.compress(LARGE)),
    "dense compressed text": (b"zTXt", b"Comment\0\0" + zlib.compress(DENSE)),
    "compressed text of an unknown method": (b"zTXt", b"Comment\0\7" + zlib.compress(b"x")),
    "dense international text": (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(DENSE)),
    "dense XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(DENSE)),
    "large XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LARGE),
    "dense EXIF as text": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(DENSE)),
    "EXIF as text of an unknown method": (b"zTXt", b"Raw profile type exif\0\7x"),
    "large EXIF": (b"eXIf", LARGE),
    "short gamma": (b"gAMA", b""),
    "short chromaticity": (b"cHRM", b"1"),
    "short resolution": (b"pHYs", b"1"),
    "invalid animation": (b"acTL", struct.pack(">II", 0, 0)),
    "short animation": (b"acTL", b"1"),
    "invalid frame": (b"fcTL", bytes(26)),
    "unknown": (b"abCd", b"1234"),
}


@pytest.mark.parametrize("name", METADATA)
@pytest.mark.parametrize("place", ["before", "after"])
def test_metadata_of_any_size_and_kind_leaves_the_pixels_alone(tmp_path: Path, name: str, place: str) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(plain(**{place: [METADATA[name]]}))
    assert np.array_equal(load_image(path), scene())
    assert read_image_size(path) == Size(48, 32)


def test_many_large_texts_are_read_within_bounds() -> None:
    texts = [(b"tEXt", b"Raw profile type exif\0" + bytes([65 + i]) * 900_000) for i in range(90)]
    assert np.array_equal(load_image(plain(before=texts)), scene())


@pytest.mark.parametrize(
    "kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"gAMA", b"pHYs", b"tIME", b"eXIf", b"sRGB"]
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_wrong_checksum_of_metadata_is_ignored(kind: bytes, place: str) -> None:
    data = plain(**{place: [(kind, b"Comment\0" + bytes(30))]})
    assert np.array_equal(load_image(with_wrong_checksum(data, kind)), scene())


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"])
def test_a_wrong_checksum_of_what_determines_the_pixels_is_refused(kind: bytes) -> None:
    indices = np.arange(16).reshape(4, 4, 1)
    palette = bytes(range(48))
    data = png(indices, 8, PALETTE, [(b"PLTE", palette), (b"tRNS", b"\x80\xff")])
    assert load_image(data).shape == (4, 4, 3)
    with pytest.raises(ImageError, match="checksum"):
        load_image(with_wrong_checksum(data, kind))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("form", ["eXIf", "text", "compressed text", "XMP", "compressed XMP"])
def test_the_orientation_is_found_among_other_chunks(orientation: int, place: str, form: str) -> None:
    hexadecimal = b"\nexif\n      26\n" + (b"Exif\0\0" + exif(orientation)).hex().encode()
    xmp = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()
    chunk = {
        "eXIf": (b"eXIf", exif(orientation)),
        "text": (b"tEXt", b"Raw profile type exif\0" + hexadecimal),
        "compressed text": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(hexadecimal)),
        "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        "compressed XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
    }[form]
    chunks = [METADATA["large profile"], chunk, METADATA["unknown"]]
    samples = stored(scene(), orientation)
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 8, RGB, 0, 0, 0)
    pixels = [(b"IDAT", zlib.compress(rows(samples, 8)))]
    middle = [*chunks, *pixels] if place == "before" else [*pixels, *chunks]
    data = png_bytes([(b"IHDR", header), *middle, (b"IEND", b"")])
    assert np.array_equal(load_image(data), scene())
    assert read_image_size(data) == Size(48, 32)


def test_a_file_without_its_last_chunk_and_with_text_after_the_end() -> None:
    data = plain(before=[METADATA["unknown"]])
    assert np.array_equal(load_image(data[:-12]), scene())
    assert np.array_equal(load_image(data + b"more text"), scene())


# --- transparent colors -----------------------------------------------------------------------------------


def expected(samples: np.ndarray, bits: int, transparent: np.ndarray | int) -> np.ndarray:
    """Return the RGB image over white of (H, W, 1) or (H, W, 3) samples with one transparent color."""
    if bits == 16 and samples.shape[2] == 3:
        values = (samples >> 8).astype(np.uint8)  # color keeps the high byte
    else:
        values = np.rint(samples / (2**bits - 1) * 255).astype(np.uint8)
    values = np.repeat(values, 3, axis=2) if samples.shape[2] == 1 else values
    return np.where((samples == transparent).all(axis=2, keepdims=True), np.uint8(255), values)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_gray_with_a_transparent_value(bits: int) -> None:
    step = 257 if bits == 16 else 1
    samples = np.arange(64).reshape(8, 8, 1) * step % 2**bits
    for value in {0, 1, 2 ** (bits - 1), 2**bits - 1, samples[-1, -1, 0]}:
        data = png(samples, bits, GRAY, [(b"tRNS", struct.pack(">H", value))])
        assert np.array_equal(load_image(data), expected(samples, bits, value)), value


def test_16_bit_gray_is_compared_in_full() -> None:
    samples = np.array([[[0x1234], [0x1235], [0x3434]]])
    data = png(samples, 16, GRAY, [(b"tRNS", struct.pack(">H", 0x1234))])
    assert load_image(data)[0, :, 0].tolist() == [255, 18, 52]


@pytest.mark.parametrize("bits", [8, 16])
def test_color_with_a_transparent_color(bits: int) -> None:
    samples = np.random.default_rng(0).integers(0, 2**bits, (6, 7, 3))
    samples[2, 3] = samples[4, 5]
    color = samples[4, 5]
    samples[0, 0] = color ^ [0, 0, 1]  # differs in the lowest bit only
    samples[0, 1] = color ^ [1, 0, 0]
    data = png(samples, bits, RGB, [(b"tRNS", struct.pack(">HHH", *color.tolist()))])
    assert np.array_equal(load_image(data), expected(samples, bits, color))


def test_high_bytes_of_a_transparent_color_do_not_count_for_8_bits() -> None:
    samples = np.array([[[1, 2, 3], [4, 5, 6]]])
    data = png(samples, 8, RGB, [(b"tRNS", struct.pack(">HHH", 0x1201, 0x3402, 0x5603))])
    assert load_image(data).tolist() == [[[255] * 3, [4, 5, 6]]]
    data = png(samples[..., :1], 8, GRAY, [(b"tRNS", struct.pack(">H", 0x1204))])
    assert load_image(data)[0, :, 0].tolist() == [1, 255]


@pytest.mark.parametrize("color", [GRAY_ALPHA, RGB_ALPHA])
@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_is_composited_over_white(color: int, bits: int) -> None:
    channels = {GRAY_ALPHA: 2, RGB_ALPHA: 4}[color]
    samples = np.random.default_rng(1).integers(0, 2**bits, (6, 7, channels))
    values = samples / (2**bits - 1)
    over_white = 255 * (values[..., :-1] * values[..., -1:] + 1 - values[..., -1:])
    assert np.abs(load_image(png(samples, bits, color)).astype(float) - over_white).max() <= 2


def test_pixels_before_the_header_are_refused() -> None:
    """Pillow skips them, and then reads the orientation of another chunk with the header than with the pixels."""
    header = struct.pack(">IIBBBBB", 2, 1, 8, GRAY, 0, 0, 0)
    pixels = (b"IDAT", zlib.compress(b"\0\7\7"))
    turned = (b"eXIf", bytes.fromhex("4d4d002a0000000800010112000300000001000700000000 0000"))
    data = png_bytes([pixels, (b"IHDR", header), turned, pixels, (b"eXIf", b""), (b"IEND", b"")])
    for read in (load_image, read_image_size):
        with pytest.raises(ImageError):
            read(data)
    sound = png_bytes([(b"IHDR", header), turned, pixels, (b"IEND", b"")])
    assert read_image_size(sound) == Size(1, 2)
    assert load_image(sound).shape == (2, 1, 3)

"""TIFF files of every layout are read correctly, or refused by name; the references are written from the standard."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from PIL import Image

from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image, read_image_size
from tests.images.sample_images import scene, stored
from tests.images.tiff_files import (
    ASSOCIATED,
    CMYK,
    DEFLATE,
    FLOAT,
    LZW,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    PACKBITS,
    PALETTE,
    RGB,
    SIGNED,
    UNASSOCIATED,
    UNCOMPRESSED,
    UNSIGNED,
    UNSPECIFIED,
    YCBCR,
    tiff_bytes,
)

SHORT = 3

WIDTH, HEIGHT = 21, 13


def shares(channels: int) -> np.ndarray:
    """Return (HEIGHT, WIDTH, channels) values between 0 and 1, without any symmetry."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    patterns = (x / (WIDTH - 1), y / (HEIGHT - 1), (x * 7 + y * 13) % 29 / 28, (x * 5 + y * 3) % 17 / 16)
    return np.stack(patterns[:channels], axis=-1)


def quantized(values: np.ndarray, bits: int, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Return samples of a bit depth and format, and the shares of white that they stand for."""
    if kind == FLOAT:
        samples = values.astype({16: np.float16, 32: np.float32, 64: np.float64}[bits])
        return samples, samples.astype(np.float64)
    white = 2 ** (bits - 1) - 1 if kind == SIGNED else 2**bits - 1
    samples = np.rint(values * white).astype(np.int64 if kind == SIGNED else np.uint64)
    return samples, samples / white


def rendered(values: np.ndarray, photometric: int, extra: tuple[int, ...]) -> np.ndarray:
    """Return the (H, W, 3) image from 0 to 255 over white that shares of white stand for."""
    colors, alpha = (values, None) if not extra else (values[..., :-1], values[..., -1:])
    if photometric == CMYK:
        image = (1 - colors[..., :3]) * (1 - colors[..., 3:])
    elif photometric == RGB:
        image = colors
    else:
        image = np.repeat(1 - colors if photometric == MIN_IS_WHITE else colors, 3, axis=2)
    if extra == (UNASSOCIATED,):
        assert alpha is not None
        image = image * alpha + 1 - alpha
    elif extra == (ASSOCIATED,):
        assert alpha is not None
        image = image + 1 - alpha
    result: np.ndarray = 255 * image
    return result


MODELS: dict[str, tuple[int, tuple[int, ...]]] = {
    "gray": (MIN_IS_BLACK, ()),
    "gray, zero is white": (MIN_IS_WHITE, ()),
    "gray and unspecified": (MIN_IS_BLACK, (UNSPECIFIED,)),
    "gray and alpha": (MIN_IS_BLACK, (UNASSOCIATED,)),
    "gray and associated alpha": (MIN_IS_BLACK, (ASSOCIATED,)),
    "RGB": (RGB, ()),
    "RGB and unspecified": (RGB, (UNSPECIFIED,)),
    "RGB and alpha": (RGB, (UNASSOCIATED,)),
    "RGB and associated alpha": (RGB, (ASSOCIATED,)),
    "CMYK": (CMYK, ()),
}
DEPTHS = [(bits, UNSIGNED) for bits in (1, 2, 4, 8, 10, 12, 14, 16, 24, 32)]
DEPTHS += [(8, SIGNED), (16, SIGNED), (32, SIGNED), (16, FLOAT), (32, FLOAT), (64, FLOAT)]
CHANNELS = {MIN_IS_BLACK: 1, MIN_IS_WHITE: 1, RGB: 3, CMYK: 4}


def layouts(bits: int, kind: int) -> Iterator[dict[str, Any]]:
    for order, planar in itertools.product("<>", (1, 2)):
        options = {"order": order, "planar": planar}
        yield from ({**options, "compression": each} for each in (UNCOMPRESSED, DEFLATE, PACKBITS))
        yield from ({**options, "fill_order": 2, "compression": each} for each in (UNCOMPRESSED, LZW))
        yield from ({**options, "tile": 16, "compression": each} for each in (UNCOMPRESSED, DEFLATE))
        if bits in (8, 16) and kind != FLOAT:
            yield {**options, "predictor": 2, "compression": DEFLATE}


# Layouts that must be read; all others may be refused, but never read wrongly.
READ = {
    ("gray", 12, UNSIGNED),
    *(("gray", bits, UNSIGNED) for bits in (1, 2, 4, 8, 16, 32)),
    *(("gray", bits, SIGNED) for bits in (8, 16, 32)),
    ("gray", 32, FLOAT),
    *(("gray, zero is white", bits, UNSIGNED) for bits in (1, 2, 4, 8, 16)),
    ("gray, zero is white", 32, FLOAT),
    *((name, 8, UNSIGNED) for name in MODELS if name.startswith("gray and")),
    *(("gray and unspecified", bits, UNSIGNED) for bits in (1, 2, 4, 12, 16, 32)),
    *(("gray and unspecified", bits, SIGNED) for bits in (8, 16, 32)),
    ("gray and unspecified", 32, FLOAT),
    *((name, bits, UNSIGNED) for name in MODELS if name.startswith("RGB") for bits in (8, 16)),
    *(("CMYK", bits, UNSIGNED) for bits in (8, 16)),
}


@pytest.mark.parametrize(("bits", "kind"), DEPTHS)
@pytest.mark.parametrize("name", MODELS)
def test_every_layout_is_read_correctly_or_refused_by_name(name: str, bits: int, kind: int) -> None:
    photometric, extra = MODELS[name]
    values = shares(CHANNELS[photometric] + len(extra)) if name != "CMYK" else shares(4)
    if extra == (ASSOCIATED,):
        values[..., :-1] *= values[..., -1:]
    samples, exact = quantized(values, bits, kind)
    expected = np.clip(rendered(exact, photometric, extra), 0, 255)
    read = 0
    for layout in layouts(bits, kind):
        data = tiff_bytes(samples, bits, photometric, sample_format=kind, extra=extra, **layout)
        try:
            image = load_image(data)
        except ImageError as error:
            assert "layout is not supported" in error.reason, (layout, error.reason)
            continue
        assert np.abs(image - expected).max() <= 2.01, layout
        assert read_image_size(data) == Size(WIDTH, HEIGHT)
        read += 1
    assert bool(read) == ((name, bits, kind) in READ)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [UNCOMPRESSED, DEFLATE, LZW])
@pytest.mark.parametrize(
    ("bits", "extra", "photometric"),
    [
        (16, (), RGB),
        (16, (UNASSOCIATED,), RGB),
        (16, (UNSPECIFIED,), RGB),
        (8, (UNSPECIFIED,), RGB),
        (8, (), CMYK),
    ],
)
def test_separate_planes_are_read(
    order: str, compression: int, bits: int, extra: tuple[int, ...], photometric: int
) -> None:
    samples, exact = quantized(shares(CHANNELS[photometric] + len(extra)), bits, UNSIGNED)
    expected = rendered(exact, photometric, extra)
    for rows_per_strip, tile in ((None, None), (5, None), (None, 16)):
        data = tiff_bytes(
            samples,
            bits,
            photometric,
            order=order,
            planar=2,
            extra=extra,
            compression=compression,
            rows_per_strip=rows_per_strip,
            tile=tile,
        )
        assert np.abs(load_image(data) - expected).max() <= 2


@pytest.mark.parametrize("compression", [UNCOMPRESSED, DEFLATE, LZW, PACKBITS])
@pytest.mark.parametrize("planar", [1, 2])
def test_12_bit_gray(compression: int, planar: int) -> None:
    samples = np.arange(4096)[:, None].reshape(64, 64)
    data = tiff_bytes(samples, 12, MIN_IS_BLACK, compression=compression, planar=planar, rows_per_strip=10)
    assert np.array_equal(load_image(data)[..., 1], np.rint(samples / 4095 * 255))


def test_a_12_bit_image_uses_the_whole_scale_although_it_is_dark() -> None:
    samples = np.full((4, 4), 409)
    assert (load_image(tiff_bytes(samples, 12, MIN_IS_BLACK)) == 25).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [UNCOMPRESSED, DEFLATE, LZW])
@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.int8, [-128, 0, 127], [0, 128, 255]),
        (np.int8, [0, 1, 127], [0, 2, 255]),
        (np.int16, [-1000, 0, 1000], [0, 128, 255]),
        (np.int16, [0, 129, 32767], [0, 1, 255]),
        (np.int32, [0, 257, 65535], [0, 1, 255]),
        (np.int32, [-(2**31), 0, 2**31 - 1], [0, 128, 255]),
        (np.uint32, [0, 2**31, 2**32 - 1], [0, 128, 255]),
        (np.float32, [-1.0, 0.0, 1.0], [0, 128, 255]),
        (np.float32, [0.0, 0.5, 1.0], [0, 128, 255]),
    ],
)
def test_signed_and_deep_samples(
    order: str, compression: int, dtype: type[np.generic], values: list[float], expected: list[int]
) -> None:
    samples = np.array([values], dtype)
    kind = {"i": SIGNED, "u": UNSIGNED, "f": FLOAT}[samples.dtype.kind]
    data = tiff_bytes(
        samples,
        samples.dtype.itemsize * 8,
        MIN_IS_BLACK,
        order=order,
        compression=compression,
        sample_format=kind,
    )
    if dtype is np.uint32 and order == ">":
        with pytest.raises(ImageError, match="layout is not supported"):
            load_image(data)
    else:
        assert load_image(data)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("compression", [UNCOMPRESSED, LZW])
@pytest.mark.parametrize("scale", [257, 1])
def test_palettes(bits: int, planar: int, compression: int, scale: int) -> None:
    count = 2**bits
    colors = np.random.default_rng(0).integers(0, 256, (count, 3))
    colors[0, 0] = 200
    indices = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) % count
    # Some programs write the colors with 8 instead of 16 bits.
    tags = {320: (SHORT, (colors * scale).T.ravel().tolist())}
    data = tiff_bytes(indices, bits, PALETTE, planar=planar, compression=compression, tags=tags)
    assert np.array_equal(load_image(data), colors[indices])


def test_a_palette_with_alpha() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (256, 3))
    indices = np.arange(256).reshape(16, 16)
    alpha = np.where(indices % 3 == 0, 0, 255)
    tags = {320: (SHORT, (colors * 257).T.ravel().tolist())}
    samples = np.stack((indices, alpha), axis=2)
    expected = np.where(alpha[..., None] == 0, 255, colors[indices])
    data = tiff_bytes(samples, 8, PALETTE, extra=(UNASSOCIATED,), tags=tags)
    assert np.array_equal(load_image(data), expected)
    with pytest.raises(ImageError, match="separate planes"):
        load_image(tiff_bytes(samples, 8, PALETTE, extra=(UNASSOCIATED,), tags=tags, planar=2))


def ycbcr_to_rgb(samples: np.ndarray) -> np.ndarray:
    luma, blue, red = np.moveaxis(samples.astype(float), 2, 0)
    rgb = (
        luma + 1.402 * (red - 128),
        luma - 0.344136 * (blue - 128) - 0.714136 * (red - 128),
        luma + 1.772 * (blue - 128),
    )
    result: np.ndarray = np.clip(np.stack(rgb, axis=2), 0, 255)
    return result


@pytest.mark.parametrize("compression", [UNCOMPRESSED, DEFLATE])
def test_ycbcr(compression: int) -> None:
    samples = np.rint(shares(3) * 200 + 20).astype(np.uint8)
    data = tiff_bytes(samples, 8, YCBCR, compression=compression, tags={530: (SHORT, [1, 1])})
    assert np.abs(load_image(data) - ycbcr_to_rgb(samples)).max() <= 2


def test_subsampled_ycbcr_is_refused() -> None:
    samples = np.zeros((4, 4, 3), np.uint8)
    for tags in ({}, {530: (SHORT, [2, 1])}):
        with pytest.raises(ImageError, match="YCbCr"):
            load_image(tiff_bytes(samples, 8, YCBCR, tags=tags))


# --- what tifffile writes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_color_files_of_tifffile(
    tmp_path: Path,
    byteorder: Literal["<", ">"],
    bigtiff: bool,
    compression: str | None,
    planar: str,
    dtype: type[np.generic],
) -> None:
    image = scene()
    deep = image.astype(dtype) * (257 if dtype is np.uint16 else 1)
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path,
        np.moveaxis(deep, 2, 0) if planar == "separate" else deep,
        photometric="rgb",
        planarconfig=planar,
        byteorder=byteorder,
        bigtiff=bigtiff,
        compression=compression,
        rowsperstrip=7,
    )
    if bigtiff and byteorder == ">":
        with pytest.raises(ImageError, match="big-endian BigTIFF"):
            load_image(path)
    else:
        assert np.array_equal(load_image(path), image)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32])
def test_gray_files_of_tifffile(
    tmp_path: Path, byteorder: Literal["<", ">"], compression: str | None, dtype: type[np.generic]
) -> None:
    gray = scene()[..., 0].astype(np.float64)
    scale = {np.uint8: 1, np.uint16: 257, np.int16: 32767 / 255, np.int32: 257}.get(dtype, 1)
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path,
        gray.astype(dtype) / np.float32(255) if dtype is np.float32 else np.rint(gray * scale).astype(dtype),
        photometric="minisblack",
        byteorder=byteorder,
        compression=compression,
        tile=(16, 16),
    )
    assert np.array_equal(load_image(path)[..., 2], gray)


# --- other content ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({50706: (1, [1, 4, 0, 0])}, "raw image of a camera"),
        ({254: (4, [1]), 330: (4, [8])}, "only a thumbnail"),
        ({279: (4, [0])}, "strips or tiles are missing"),
        ({257: (4, [64])}, "strips or tiles are missing"),
        ({278: (4, [7])}, "strips or tiles are missing"),
    ],
)
def test_pages_that_are_not_the_image_are_refused(tags: dict[int, tuple[int, list[int]]], words: str) -> None:
    data = tiff_bytes(scene(), 8, RGB, tags=tags)
    with pytest.raises(ImageError, match=words):
        load_image(data)


def test_a_small_version_that_is_the_only_page_is_read() -> None:
    assert np.array_equal(load_image(tiff_bytes(scene(), 8, RGB, tags={254: (4, [1])})), scene())


def test_other_inks_than_cmyk_are_refused() -> None:
    with pytest.raises(ImageError, match="inks"):
        load_image(tiff_bytes(np.zeros((4, 4, 4), np.uint8), 8, CMYK, tags={332: (SHORT, [2])}))


def test_a_predictor_that_the_decoder_would_ignore_is_refused() -> None:
    gray = np.arange(64).reshape(8, 8)
    assert np.array_equal(
        load_image(tiff_bytes(gray, 8, MIN_IS_BLACK, predictor=2, compression=LZW))[..., 0], gray
    )
    with pytest.raises(ImageError, match="predictor 2"):
        load_image(tiff_bytes(gray, 8, MIN_IS_BLACK, predictor=2, compression=PACKBITS))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("planar", [1, 2])
def test_deep_images_are_turned_upright(orientation: int, planar: int) -> None:
    gray = stored(scene()[..., 0], orientation).astype(np.uint16) * 16
    data = tiff_bytes(gray, 12, MIN_IS_BLACK, tags={274: (SHORT, [orientation])}, planar=planar)
    upright = np.rint(scene()[..., 0].astype(float) * 16 / 4095 * 255)
    assert np.array_equal(load_image(data)[..., 0], upright)
    assert read_image_size(data) == Size(48, 32)


def test_images_that_pillow_has_opened_are_read_like_files() -> None:
    gray = np.arange(0, 4096, 64).reshape(8, 8)
    deep = quantized(shares(3), 16, UNSIGNED)[0]
    for data in (tiff_bytes(gray, 12, MIN_IS_BLACK), tiff_bytes(deep, 16, RGB, planar=2)):
        with Image.open(io.BytesIO(data)) as image:
            for _ in range(2):
                assert np.array_equal(load_image(image), load_image(data))
    pages = io.BytesIO()
    red, green = (Image.new("RGB", (3, 2), color) for color in ("red", "lime"))
    red.save(pages, "TIFF", save_all=True, append_images=[green])
    with Image.open(pages) as image:
        assert (load_image(image) == (255, 0, 0)).all()
        image.seek(1)
        assert (load_image(image) == (0, 255, 0)).all()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="libtiff's messages are hidden on Linux only"
)
def test_messages_of_libtiff_are_hidden_in_freeloc_only(tmp_path: Path) -> None:
    data = bytearray(tiff_bytes(scene(), 8, RGB, compression=DEFLATE))
    data[40:80] = bytes(40)
    path = tmp_path / "damaged.tif"
    path.write_bytes(data)
    code = f"""
import sys
from PIL import Image
from freeloc.errors import ImageError
from freeloc.images.decode import load_image

def own():
    try:
        Image.open({str(path)!r}).load()
    except OSError:
        print("damaged")

for _ in range(2):
    try:
        load_image({str(path)!r})
    except ImageError:
        print("refused")
    if len(sys.argv) > 1:
        own()
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\nrefused\n", "")
    done = subprocess.run([*command, "own"], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\ndamaged\n" * 2
    assert len(done.stderr.splitlines()) == 2
    assert "ZIPDecode" in done.stderr
    command.insert(1, "-Wdefault")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "ZIPDecode" in done.stderr

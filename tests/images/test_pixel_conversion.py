"""Conversion of every pixel format to 8-bit RGB."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageCms

from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images import pixel_conversion
from freeloc.images.decode import ImageSource, load_image, open_image, read_image_size
from tests.images.sample_images import close_to, png_bytes, scene


def test_gray_formats(tmp_path: Path) -> None:
    gray = scene()[..., 0]
    for name, image in {"l.png": Image.fromarray(gray), "l.jpg": Image.fromarray(gray)}.items():
        image.save(tmp_path / name, quality=98)
        assert close_to(load_image(tmp_path / name), np.repeat(gray[..., None], 3, 2), 2)
    bits = gray > 100
    Image.fromarray(bits).save(tmp_path / "one.png")
    assert np.array_equal(load_image(tmp_path / "one.png")[..., 1], np.where(bits, 255, 0))


def over_white(color: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opacity = alpha[..., None] / 255.0
    return np.rint(color * opacity + 255 * (1 - opacity))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_transparency_is_composited_over_white(tmp_path: Path, suffix: str) -> None:
    alpha = np.linspace(0, 255, 48, dtype=np.uint8)[None].repeat(32, 0)
    path = tmp_path / f"rgba{suffix}"
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    Image.fromarray(np.dstack((scene(), alpha))).save(path, **options)
    assert np.abs(load_image(path) - over_white(scene(), alpha)).max() <= 1


def test_gray_with_alpha_is_composited_over_white(tmp_path: Path) -> None:
    gray = scene()[..., 1]
    alpha = np.linspace(0, 255, 48, dtype=np.uint8)[None].repeat(32, 0)
    Image.merge("LA", (Image.fromarray(gray), Image.fromarray(alpha))).save(tmp_path / "la.png")
    expected = over_white(np.repeat(gray[..., None], 3, 2), alpha)
    assert np.abs(load_image(tmp_path / "la.png") - expected).max() <= 1


def wholly_transparent(folder: Path) -> dict[str, ImageSource]:
    """Images whose colors are those of `scene`, or nearly so, under an alpha channel of zeros."""
    rgba = np.dstack((scene(), np.zeros(scene().shape[:2], np.uint8)))
    image = Image.fromarray(rgba)
    image.save(folder / "rgba.png")
    image.save(folder / "rgba.tif")
    image.save(folder / "rgba.webp", lossless=True, exact=True)
    (folder / "bytes.png").write_bytes((folder / "rgba.png").read_bytes())
    sources: dict[str, ImageSource] = {name: folder / f"rgba.{name}" for name in ("png", "tif", "webp")}
    return {**sources, "array": rgba, "image": image, "bytes": (folder / "rgba.png").read_bytes()}


@pytest.mark.parametrize("name", ["png", "tif", "webp", "array", "image", "bytes"])
def test_the_transparency_of_wholly_transparent_images_is_ignored(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    pixel_conversion._transparent_images.clear()
    source = wholly_transparent(tmp_path)[name]
    for _ in range(3):
        assert np.array_equal(load_image(source), scene())
    (message,) = caplog.messages  # said once, however often the image is read
    expected = (
        str(source)
        if isinstance(source, Path)
        else {"bytes": "the given bytes"}.get(name, f"the given {name}")
    )
    assert message == f"{expected} is wholly transparent: its transparency is ignored"


def test_wholly_transparent_gray_palette_and_color_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pixel_conversion._transparent_images.clear()
    gray = scene()[..., 0]
    Image.merge("LA", (Image.fromarray(gray), Image.new("L", (48, 32)))).save(tmp_path / "la.png")
    assert np.array_equal(load_image(tmp_path / "la.png")[..., 0], gray)
    palette = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "palette.png", transparency=bytes([0, 0]))
    assert load_image(tmp_path / "palette.png").tolist() == [
        [[10, 20, 30], [40, 50, 60]],
        [[40, 50, 60], [10, 20, 30]],
    ]
    Image.new("RGB", (3, 2), (7, 8, 9)).save(tmp_path / "key.png", transparency=(7, 8, 9))
    assert (load_image(tmp_path / "key.png") == (7, 8, 9)).all()
    Image.fromarray(np.full((2, 3), 257 * 9, np.uint16)).save(tmp_path / "deep.png", transparency=257 * 9)
    assert (load_image(tmp_path / "deep.png") == 9).all()
    assert len(caplog.messages) == 4


def test_only_the_first_wholly_transparent_images_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pixel_conversion._transparent_images.clear()
    for index in range(30):
        path = tmp_path / f"{index}.png"
        Image.new("RGBA", (2, 2), (1, 2, 3, 0)).save(path)
        assert load_image(path)[0, 0].tolist() == [1, 2, 3]
    assert len(caplog.messages) == 21
    assert caplog.messages[-1] == "more images are wholly transparent: their transparency is ignored"


def test_premultiplied_images_of_pillow() -> None:
    rgba = Image.fromarray(np.dstack((scene(), np.full(scene().shape[:2], 128, np.uint8))))
    expected = load_image(rgba).astype(int)
    assert np.abs(load_image(rgba.convert("RGBa")) - expected).max() <= 2
    gray = Image.merge("LA", (Image.fromarray(scene()[..., 0]), Image.new("L", (48, 32), 128)))
    assert np.abs(load_image(gray.convert("La")) - load_image(gray).astype(int)).max() <= 2


def test_palette_with_transparency(tmp_path: Path) -> None:
    indices = np.array([[0, 1], [2, 3]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "key.gif", transparency=2)
    image.save(tmp_path / "table.png", transparency=bytes([255, 0, 255, 255]))
    plain = load_image(tmp_path / "plain.png")
    assert plain.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]]
    assert load_image(tmp_path / "key.gif")[1, 0].tolist() == [255, 255, 255]
    table = load_image(tmp_path / "table.png")
    assert table.tolist() == [[[255, 0, 0], [255, 255, 255]], [[0, 0, 255], [10, 20, 30]]]


def test_color_key_transparency(tmp_path: Path) -> None:
    image = scene(4, 4)
    image[0, 0] = (1, 2, 3)
    Image.fromarray(image).save(tmp_path / "key.png", transparency=(1, 2, 3))
    assert load_image(tmp_path / "key.png")[0, 0].tolist() == [255, 255, 255]


def test_cmyk_jpeg_is_inverted_as_adobe_does(tmp_path: Path) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan, full magenta and yellow
    red.save(tmp_path / "cmyk.jpg", quality=98)
    assert b"Adobe" in (tmp_path / "cmyk.jpg").read_bytes()
    pixel = load_image(tmp_path / "cmyk.jpg")[8, 8].astype(int)
    assert np.abs(pixel - (255, 0, 0)).max() <= 3
    red.save(tmp_path / "cmyk.tif")
    assert load_image(tmp_path / "cmyk.tif")[8, 8].tolist() == [255, 0, 0]


def test_ycck_jpeg(tmp_path: Path) -> None:
    # Adobe's YCCK converts C, M, Y to YCbCr as if they were R, G, B, with an inverted K. Pillow cannot write
    # YCCK, so the planes are written as a CMYK file (which inverts them), whose Adobe flag is then changed
    # from 0 to 2.
    wanted = Image.new("RGB", (16, 16), (200, 40, 90))
    luma, blue, red = Image.eval(wanted, lambda v: 255 - v).convert("YCbCr").split()
    turned = [Image.eval(plane, lambda v: 255 - v) for plane in (luma, blue, red)]
    Image.merge("CMYK", (*turned, Image.new("L", (16, 16), 0))).save(tmp_path / "ycck.jpg", quality=98)
    data = bytearray((tmp_path / "ycck.jpg").read_bytes())
    flag = data.index(b"Adobe") + 11
    assert data[flag] == 0
    data[flag] = 2
    (tmp_path / "ycck.jpg").write_bytes(data)
    pixel = load_image(tmp_path / "ycck.jpg")[8, 8].astype(int)
    assert np.abs(pixel - (200, 40, 90)).max() <= 4


def test_16_bit_gray_is_scaled_not_clipped(tmp_path: Path) -> None:
    deep = np.array([[0, 128, 129, 257], [32768, 40000, 65279, 65535]], np.uint16)
    expected = np.rint(deep / 257).astype(np.uint8)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    (tmp_path / "deep.pgm").write_bytes(b"P5 4 2 65535\n" + deep.astype(">u2").tobytes())
    big_endian = Image.frombytes("I;16B", (4, 2), deep.astype(">u2").tobytes())
    big_endian.save(tmp_path / "big.tif")
    sources: list[ImageSource] = [tmp_path / name for name in ("deep.png", "deep.tif", "deep.pgm", "big.tif")]
    sources += [big_endian, Image.fromarray(deep.astype(np.int32)), deep, deep.astype(">u2")]
    for source in sources:
        assert np.array_equal(load_image(source)[..., 0], expected), source


def test_16_bit_gray_tiff_whose_zero_is_white(tmp_path: Path) -> None:
    deep = np.array([[0, 65535], [257 * 100, 257]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.tif", tiffinfo={262: 0})
    path = tmp_path / "deep.tif"
    data = bytearray(path.read_bytes())
    entry = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
    data[entry] = 0
    path.write_bytes(data)
    assert load_image(path)[..., 0].tolist() == [[255, 0], [155, 254]]


def test_16_bit_rgb_png(tmp_path: Path) -> None:
    eight = scene(5, 4)
    deep = eight.astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    header = struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0)
    path = tmp_path / "deep.png"
    path.write_bytes(png_bytes([(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]))
    assert np.array_equal(load_image(path), eight)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 128.0, 200.0], [0, 128, 200]),
        ([0.0, 25700.0, 65535.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([100000.0, 150000.0, 200000.0], [0, 128, 255]),
        ([7e5, 7e5, 7e5], [0, 0, 0]),
        ([np.nan, 1.0, np.inf], [0, 255, 255]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
    ],
)
def test_float_tiff(tmp_path: Path, values: list[float], expected: list[int]) -> None:
    path = tmp_path / "float.tif"
    Image.fromarray(np.array([values], np.float32)).save(path)
    assert load_image(path)[0, :, 0].tolist() == expected
    assert load_image(np.array([values]))[0, :, 0].tolist() == expected


@given(npst.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4))))
def test_float_arrays_keep_their_order(values: np.ndarray) -> None:
    result = load_image(values)[..., 0]
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    assert (np.diff(result[known][order].astype(int)) >= 0).all()
    assert (result[~known] == 0).all()


def test_first_image_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), color) for color in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    every_option: dict[str, dict[str, Any]] = {
        "a.gif": {},
        "a.webp": {"lossless": True},
        "a.png": {},
        "a.tif": {},
    }
    for name, options in every_option.items():
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert (load_image(tmp_path / name) == (250, 0, 0)).all(), name
        assert read_image_size(tmp_path / name) == Size(8, 6)


def test_color_profiles_are_ignored(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(scene()).save(tmp_path / "plain.jpg", quality=95)
    Image.fromarray(scene()).save(tmp_path / "profile.jpg", quality=95, icc_profile=profile)
    assert np.array_equal(load_image(tmp_path / "plain.jpg"), load_image(tmp_path / "profile.jpg"))


# --- arrays -----------------------------------------------------------------------------------------------


def test_arrays() -> None:
    rgb = scene()
    assert load_image(rgb) is rgb
    assert np.array_equal(load_image(rgb[..., 0]), np.repeat(rgb[..., :1], 3, 2))
    assert np.array_equal(load_image(rgb[..., :1]), np.repeat(rgb[..., :1], 3, 2))
    assert load_image(np.array([[True, False]])).tolist() == [[[255] * 3, [0] * 3]]
    half = np.dstack((rgb, np.full(rgb.shape[:2], 255, np.uint8)))
    half[:, 20:, 3] = 0
    assert np.array_equal(load_image(half)[:, :20], rgb[:, :20])
    assert (load_image(half)[:, 20:] == 255).all()
    flipped = load_image(rgb[:, ::-1])
    assert flipped.flags.c_contiguous
    assert np.array_equal(flipped, rgb[:, ::-1])
    assert np.array_equal(np.asarray(open_image(rgb)), rgb)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 20, 30), np.uint8), "shape"),
        (np.zeros((2, 20, 30, 3), np.uint8), "shape"),
        (np.zeros((5, 5, 3), np.int64), "int64"),
        (np.zeros((5, 5, 3), np.complex64), "complex64"),
        (np.zeros((5, 5), object), "object"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
    ],
)
def test_arrays_that_are_not_images(array: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        load_image(array)

"""Decoding and sizes."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageCms, features

from freeloc.errors import FreelocError
from freeloc.geometry.size import Size
from freeloc.images import decode as images
from freeloc.images.decode import load_image, open_image, open_reduced, read_image_size


def scene(width: int = 48, height: int = 32) -> np.ndarray:
    """A smooth upright picture without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / max(width - 1, 1)
    green = 255 * y / max(height - 1, 1)
    blue = np.where((x < width / 3) & (y < height / 3), 255, 20)
    return np.stack((red, green, blue), axis=-1).astype(np.uint8)


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera stores an upright picture under an EXIF orientation.

    Written from the EXIF standard's wording: where the stored row 0 and column 0 lie in the upright picture.
    """
    row0_col0 = {
        1: lambda a: a,  # top, left
        2: lambda a: a[:, ::-1],  # top, right
        3: lambda a: a[::-1, ::-1],  # bottom, right
        4: lambda a: a[::-1],  # bottom, left
        5: lambda a: a.swapaxes(0, 1),  # left, top
        6: lambda a: a[:, ::-1].swapaxes(0, 1),  # right, top
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),  # right, bottom
        8: lambda a: a[::-1].swapaxes(0, 1),  # left, bottom
    }
    return np.ascontiguousarray(row0_col0[orientation](upright))


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, position = [], 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunks.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    return chunks


def png_bytes(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        parts.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    return b"".join(parts)


def close_to(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    return actual.shape == expected.shape and bool(
        np.abs(actual.astype(int) - expected.astype(int)).mean() <= tolerance
    )


# --- orientation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_every_orientation_comes_out_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    path = tmp_path / f"image{suffix}"
    options = {".jpg": {"quality": 98}, ".webp": {"lossless": True}, ".avif": {"quality": 98}}.get(suffix, {})
    Image.fromarray(stored(scene(), orientation)).save(path, exif=exif_of(orientation), **options)

    assert close_to(load_image(path), scene(), 6 if suffix in (".jpg", ".avif") else 0)
    assert read_image_size(path) == Size(48, 32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_compressed_tiff_comes_out_upright(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "image.tiff"
    picture = Image.fromarray(stored(scene(), orientation))
    picture.save(path, exif=exif_of(orientation), compression="tiff_lzw")
    assert np.array_equal(load_image(path), scene())
    assert read_image_size(path) == Size(48, 32)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_exif_behind_the_pixels_of_a_png_is_found_by_both_ways(tmp_path: Path, orientation: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(stored(scene(), orientation)).save(buffer, "PNG", exif=exif_of(orientation))
    chunks = png_chunks(buffer.getvalue())
    late = [c for c in chunks if c[0] not in (b"eXIf", b"IEND")]
    late += [c for c in chunks if c[0] == b"eXIf"] + [(b"IEND", b"")]
    path = tmp_path / "late.png"
    path.write_bytes(png_bytes(late))
    assert np.array_equal(load_image(path), scene())
    assert read_image_size(path) == Size(48, 32)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_orientation_in_xmp_counts(tmp_path: Path, suffix: str) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    path = tmp_path / f"image{suffix}"
    picture = Image.fromarray(stored(scene(), 6))
    if suffix == ".png":
        from PIL import PngImagePlugin

        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        picture.save(path, pnginfo=info)
    elif suffix == ".webp":
        picture.save(path, lossless=True, xmp=xmp)
    else:
        picture.save(path, tiffinfo={700: xmp})
    assert np.array_equal(load_image(path), scene())
    assert read_image_size(path) == Size(48, 32)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", exif_of(99).tobytes()]
)
def test_unreadable_orientation_means_upright(tmp_path: Path, exif: bytes) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(scene()).save(path, quality=98, exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert close_to(load_image(path), scene(), 6)
        assert read_image_size(path) == Size(48, 32)


def test_a_pillow_picture_is_turned_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(stored(scene(), 6)).save(path, exif=exif_of(6))
    with Image.open(path) as picture:
        assert np.array_equal(load_image(picture), scene())
        assert np.array_equal(load_image(picture), scene())
        assert np.array_equal(np.asarray(picture), stored(scene(), 6))


# --- kinds of pixels --------------------------------------------------------------------------------------


def test_grey_kinds(tmp_path: Path) -> None:
    grey = scene()[..., 0]
    for name, picture in {"l.png": Image.fromarray(grey), "l.jpg": Image.fromarray(grey)}.items():
        picture.save(tmp_path / name, quality=98)
        assert close_to(load_image(tmp_path / name), np.repeat(grey[..., None], 3, 2), 2)
    bits = grey > 100
    Image.fromarray(bits).save(tmp_path / "one.png")
    assert np.array_equal(load_image(tmp_path / "one.png")[..., 1], np.where(bits, 255, 0))


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255.0
    return np.rint(colour * share + 255 * (1 - share))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_transparency_is_laid_over_white(tmp_path: Path, suffix: str) -> None:
    alpha = np.linspace(0, 255, 48, dtype=np.uint8)[None].repeat(32, 0)
    path = tmp_path / f"rgba{suffix}"
    Image.fromarray(np.dstack((scene(), alpha))).save(
        path, **({"lossless": True, "exact": True} if suffix == ".webp" else {})
    )
    assert np.abs(load_image(path) - over_white(scene(), alpha)).max() <= 1


def test_grey_with_alpha_is_laid_over_white(tmp_path: Path) -> None:
    grey = scene()[..., 1]
    alpha = np.linspace(0, 255, 48, dtype=np.uint8)[None].repeat(32, 0)
    Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha))).save(tmp_path / "la.png")
    expected = over_white(np.repeat(grey[..., None], 3, 2), alpha)
    assert np.abs(load_image(tmp_path / "la.png") - expected).max() <= 1


def test_palette_with_transparency(tmp_path: Path) -> None:
    indices = np.array([[0, 1], [2, 3]], np.uint8)
    picture = Image.fromarray(indices).convert("P")
    picture.putdata(indices.ravel().tolist())
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "key.gif", transparency=2)
    picture.save(tmp_path / "table.png", transparency=bytes([255, 0, 255, 255]))
    plain = load_image(tmp_path / "plain.png")
    assert plain.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]]
    assert load_image(tmp_path / "key.gif")[1, 0].tolist() == [255, 255, 255]
    table = load_image(tmp_path / "table.png")
    assert table.tolist() == [[[255, 0, 0], [255, 255, 255]], [[0, 0, 255], [10, 20, 30]]]


def test_colour_key_transparency(tmp_path: Path) -> None:
    picture = scene(4, 4)
    picture[0, 0] = (1, 2, 3)
    Image.fromarray(picture).save(tmp_path / "key.png", transparency=(1, 2, 3))
    assert load_image(tmp_path / "key.png")[0, 0].tolist() == [255, 255, 255]


def test_cmyk_jpeg_is_turned_the_adobe_way(tmp_path: Path) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan, full magenta and yellow
    red.save(tmp_path / "cmyk.jpg", quality=98)
    assert b"Adobe" in (tmp_path / "cmyk.jpg").read_bytes()
    pixel = load_image(tmp_path / "cmyk.jpg")[8, 8].astype(int)
    assert np.abs(pixel - (255, 0, 0)).max() <= 3
    red.save(tmp_path / "cmyk.tif")
    assert load_image(tmp_path / "cmyk.tif")[8, 8].tolist() == [255, 0, 0]


def test_ycck_jpeg(tmp_path: Path) -> None:
    # Adobe's YCCK is C, M, Y as if they were R, G, B, turned to YCbCr, with an inverted K. Pillow writes no
    # YCCK: the planes go out as a CMYK file (which inverts them), whose Adobe flag is then set from 0 to 2.
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


def test_16_bit_grey_is_scaled_not_cut(tmp_path: Path) -> None:
    deep = np.array([[0, 128, 129, 257], [32768, 40000, 65279, 65535]], np.uint16)
    expected = np.rint(deep / 257).astype(np.uint8)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    (tmp_path / "deep.pgm").write_bytes(b"P5 4 2 65535\n" + deep.astype(">u2").tobytes())
    big_endian = Image.frombytes("I;16B", (4, 2), deep.astype(">u2").tobytes())
    big_endian.save(tmp_path / "big.tif")
    sources = [tmp_path / name for name in ("deep.png", "deep.tif", "deep.pgm", "big.tif")]
    sources += [big_endian, Image.fromarray(deep.astype(np.int32)), deep, deep.astype(">u2")]
    for source in sources:
        assert np.array_equal(load_image(source)[..., 0], expected), source


def test_16_bit_grey_tiff_whose_zero_is_white(tmp_path: Path) -> None:
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


def test_first_picture_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    for name, options in (("a.gif", {}), ("a.webp", {"lossless": True}), ("a.png", {}), ("a.tif", {})):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert (load_image(tmp_path / name) == (250, 0, 0)).all(), name
        assert read_image_size(tmp_path / name) == Size(8, 6)


def test_colour_profiles_are_left_alone(tmp_path: Path) -> None:
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
    clear = np.dstack((rgb, np.zeros(rgb.shape[:2], np.uint8)))
    assert (load_image(clear) == 255).all()
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
def test_arrays_that_are_no_image(array: np.ndarray, words: str) -> None:
    with pytest.raises(FreelocError, match=words):
        load_image(array)


def test_the_result_is_writable_and_free_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "image.bmp"
    Image.fromarray(scene()).save(path)
    pixels = load_image(str(path))
    path.unlink()
    pixels[0, 0] = 7
    assert pixels.flags.c_contiguous
    assert pixels.dtype == np.uint8


# --- files that are no image -------------------------------------------------------------------------


def test_bad_files_name_themselves(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam, this is no picture at all.")
    (tmp_path / "folder.jpg").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    for name, words in {
        "empty.jpg": "empty",
        "letter.jpg": "no picture",
        "folder.jpg": "folder",
        "missing.jpg": "there is no image",
        "pipe.jpg": "pipe" if hasattr(os, "mkfifo") else "there is no image",
    }.items():
        for read in (load_image, read_image_size):
            with pytest.raises(FreelocError, match=words) as caught:
                read(tmp_path / name)
            assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(FreelocError, match="check its name"):
        load_image("a\0b.jpg")


def test_a_postscript_file_starts_no_other_program(tmp_path: Path) -> None:
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(FreelocError, match="no picture"):
        load_image(tmp_path / "page.eps")


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_truncated_files_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    data = encoded(kind)
    path = tmp_path / "cut"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FreelocError, match=r"cannot be decoded|no picture") as caught:
        load_image(path)
    assert str(path) in str(caught.value)


SAMPLES = {kind: encoded(kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000")}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_give_a_image_or_a_clear_error(tmp_path_factory, data) -> None:
    sample = bytearray(SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))])
    places = data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
    for late, value in places:
        place = data.draw(st.integers(0, len(sample) - 1 if late else 80))
        sample[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(sample)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr(images, "MAX_PIXELS", 1_000_000)
        for read in (load_image, read_image_size):
            with suppress(FreelocError):
                read(path)


# --- size -------------------------------------------------------------------------------------------------


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png_bytes([(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 9)), (b"IEND", b"")])


def test_more_than_500_megapixels_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(30_000, 20_000))
    for read in (load_image, read_image_size):
        with pytest.raises(FreelocError, match=r"bomb.png is larger than the 500 megapixels"):
            read(path)
    path.write_bytes(png_that_claims(25_000, 20_000))
    assert read_image_size(path) == Size(25_000, 20_000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "PPM", "JPEG2000"])
def test_the_limit_is_freelocs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(SAMPLES[kind])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path).load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(path).shape == (40, 60, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(images, "MAX_PIXELS", 60 * 40 - 1)
    with pytest.raises(FreelocError, match="megapixels"):
        load_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_tiff_comes_out_upright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    path = tmp_path / "image.tif"
    Image.fromarray(stored(scene(), orientation)).save(path, exif=exif_of(orientation))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert np.array_equal(load_image(path), scene())


def test_decoding_in_threads(tmp_path: Path) -> None:
    for index, kind in enumerate(SAMPLES):
        (tmp_path / f"{index}").write_bytes(SAMPLES[kind])
    files = sorted(tmp_path.iterdir()) * 4
    expected = [load_image(file) for file in files]
    results: list[np.ndarray | None] = [None] * len(files)

    def work(start: int) -> None:
        for index in range(start, len(files), 4):
            results[index] = load_image(files[index])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, other) for one, other in zip(results, expected, strict=True))


# --- reduced decoding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("longest", "reduction"), [(None, 1), (900, 1), (450, 2), (301, 2), (225, 4), (1, 8)]
)
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_jpeg_is_decoded_no_finer_than_needed(
    tmp_path: Path, longest: int | None, reduction: int, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "large.jpg"
    Image.fromarray(scene(901, 600)).save(path, exif=exif, quality=95)
    picture, size = open_reduced(path, longest)
    assert size == read_image_size(path) == (Size(600, 901) if orientation == 6 else Size(901, 600))
    assert picture.size == (-(-size.width // reduction), -(-size.height // reduction))
    whole = np.asarray(open_image(path).resize(picture.size, Image.Resampling.BOX)).astype(int)
    assert np.abs(np.asarray(picture).astype(int) - whole).mean() < 2


def test_other_kinds_are_decoded_as_they_are(tmp_path: Path) -> None:
    image = Image.fromarray(scene(90, 60))
    image.save(tmp_path / "small.png")
    for source in (tmp_path / "small.png", image, np.asarray(image)):
        picture, size = open_reduced(source, 10)
        assert (picture.size, size) == ((90, 60), Size(90, 60))
        assert np.array_equal(np.asarray(picture), np.asarray(image))

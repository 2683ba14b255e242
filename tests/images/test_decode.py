"""Decoding of images, their sizes, and errors."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freeloc._typing import Uint8Array
from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images import decode_errors
from freeloc.images.decode import load_image, open_image, open_reduced, read_image_size
from tests.images.sample_images import exif_of, png_bytes, scene, stored


def test_the_result_is_writable_and_independent_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "image.bmp"
    Image.fromarray(scene()).save(path)
    pixels = load_image(str(path))
    path.unlink()
    pixels[0, 0] = 7
    assert pixels.flags.c_contiguous
    assert pixels.dtype == np.uint8


_FEW_MEGABYTES = """
import resource, sys
from pathlib import Path
import numpy
from PIL import Image, PngImagePlugin
from freeloc.errors import ResourceError
from freeloc.images.decode import load_image

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, -1))
load_image(sys.argv[1])
try:
    load_image(sys.argv[2])
except ResourceError as error:
    print(error)
"""


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="this system does not tell the memory in use"
)
def test_too_little_memory_is_not_damage(tmp_path: Path) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    Image.new("L", (100, 100)).save(small)
    Image.new("L", (9_000, 9_000)).save(large)  # 243 million bytes as RGB
    command = [sys.executable, "-c", _FEW_MEGABYTES, str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("there is not enough memory: ")


# --- files that are not images ------------------------------------------------------------------------------


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam, this is not an image.")
    (tmp_path / "folder.jpg").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    for name, words in {
        "empty.jpg": r"it is empty \(0 bytes\)",
        "letter.jpg": "not an image in a supported format",
        "folder.jpg": "folder",
        "missing.jpg": "does not exist",
        "pipe.jpg": "pipe" if hasattr(os, "mkfifo") else "does not exist",
    }.items():
        for read in (load_image, read_image_size):
            with pytest.raises(ImageError, match=words) as caught:
                read(tmp_path / name)
            assert str(caught.value).startswith(
                f"cannot read image {tmp_path / name}: {caught.value.reason}; "
            )
            assert caught.value.path == tmp_path / name
    with pytest.raises(ImageError, match="check its name"):
        load_image("a\0b.jpg")


def test_a_postscript_file_starts_no_other_program(tmp_path: Path) -> None:
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(ImageError, match="not an image in a supported format"):
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
    with pytest.raises(ImageError, match=r"decoding failed \(|not an image") as caught:
        load_image(path)
    assert str(path) in str(caught.value)


SAMPLES = {kind: encoded(kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000")}


@given(st.data())
@settings(max_examples=150)
def test_damaged_files_decode_or_raise_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sample = bytearray(SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))])
    places = data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
    for late, value in places:
        place = data.draw(st.integers(0, len(sample) - 1 if late else 80))
        sample[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(sample)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr(decode_errors, "MAX_PIXELS", 1_000_000)
        for read in (load_image, read_image_size):
            with suppress(ImageError):
                read(path)


# --- size -------------------------------------------------------------------------------------------------


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png_bytes([(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 9)), (b"IEND", b"")])


def test_more_than_500_megapixels_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(30_000, 20_000))
    for read in (load_image, read_image_size):
        with pytest.raises(ImageError, match=r"bomb\.png: it has more than 500 megapixels"):
            read(path)
    path.write_bytes(png_that_claims(25_000, 20_000))
    assert read_image_size(path) == Size(25_000, 20_000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "PPM", "JPEG2000"])
def test_pillows_limit_on_pixels_does_not_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "image"
    path.write_bytes(SAMPLES[kind])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path).load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(path).shape == (40, 60, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(decode_errors, "MAX_PIXELS", 60 * 40 - 1)
    with pytest.raises(ImageError, match="megapixels"):
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
    results: dict[int, Uint8Array] = {}

    def work(start: int) -> None:
        for index in range(start, len(files), 4):
            results[index] = load_image(files[index])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(files)
    assert all(np.array_equal(results[index], image) for index, image in enumerate(expected))


# --- encoded images that are not paths ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000"])
def test_bytes_and_open_files_decode_like_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(SAMPLES[kind])
    expected = load_image(path)
    assert np.array_equal(load_image(SAMPLES[kind]), expected)
    assert read_image_size(SAMPLES[kind]) == read_image_size(path)
    with path.open("rb") as file:
        assert np.array_equal(load_image(file), expected)
        assert not file.closed
    assert np.array_equal(np.asarray(open_image(io.BytesIO(SAMPLES[kind]))), expected)
    assert read_image_size(io.BytesIO(SAMPLES[kind])) == read_image_size(path)


def test_bytes_are_turned_upright_and_reduced_like_files(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.fromarray(stored(scene(901, 600), 6)).save(path, exif=exif_of(6), quality=95)
    assert read_image_size(path.read_bytes()) == Size(901, 600)
    expected, size = open_reduced(path, 225)
    assert expected.size == (226, 150)
    with path.open("rb") as file:
        for source in (path.read_bytes(), file):
            image, own = open_reduced(source, 225)
            assert own == size
            assert np.array_equal(np.asarray(image), np.asarray(expected))


def test_an_open_file_is_read_from_its_position_on() -> None:
    file = io.BytesIO(b"header" + SAMPLES["PNG"])
    file.seek(len(b"header"))
    assert np.array_equal(load_image(file), load_image(SAMPLES["PNG"]))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"it is empty \(0 bytes\); "),
        (b"Dear Sir or Madam", "it is not an image in a supported format; "),
        (SAMPLES["PNG"][:500], r"decoding failed \(.*truncated.*\); "),
        (png_that_claims(30_000, 20_000), "it has more than 500 megapixels; "),
    ],
)
def test_bad_bytes_and_open_files(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=f"^cannot read the given bytes: {reason}") as caught:
        load_image(data)
    assert caught.value.path is None
    with pytest.raises(ImageError, match=f"^cannot read the given file: {reason}"):
        load_image(io.BytesIO(data))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(SAMPLES["PNG"])
    with pytest.raises(ImageError, match="the given file: it is not open in binary mode"):
        load_image(io.StringIO("text"))  # type: ignore[arg-type]
    file = path.open("rb")
    file.close()
    with pytest.raises(ImageError, match="the given file: .*closed"):
        load_image(file)


@pytest.mark.parametrize(
    ("source", "words"), [("", "the path is empty"), (None, "from NoneType"), (3, "from int")]
)
def test_other_objects_are_refused(source: object, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        load_image(source)  # type: ignore[arg-type]


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
    decoded, size = open_reduced(path, longest)
    assert size == read_image_size(path) == (Size(600, 901) if orientation == 6 else Size(901, 600))
    assert decoded.size == (-(-size.width // reduction), -(-size.height // reduction))
    whole = np.asarray(open_image(path).resize(decoded.size, Image.Resampling.BOX)).astype(int)
    assert np.abs(np.asarray(decoded).astype(int) - whole).mean() < 2


@pytest.mark.parametrize(
    ("longest", "shortest", "reduction"),
    [(None, 100, 1), (None, 50, 2), (None, 20, 4), (900, 20, 1), (1, 50, 2)],
)
def test_the_shortest_side_may_determine_the_reduction(
    tmp_path: Path, longest: int | None, shortest: int, reduction: int
) -> None:
    path = tmp_path / "wide.jpg"
    Image.fromarray(scene(900, 100)).save(path)
    decoded, size = open_reduced(path, longest, shortest=shortest)
    assert size == Size(900, 100)
    assert decoded.size == (-(-900 // reduction), -(-100 // reduction))


def test_other_formats_are_decoded_at_full_size(tmp_path: Path) -> None:
    image = Image.fromarray(scene(90, 60))
    image.save(tmp_path / "small.png")
    for source in (tmp_path / "small.png", image, np.asarray(image)):
        decoded, size = open_reduced(source, 10)
        assert (decoded.size, size) == ((90, 60), Size(90, 60))
        assert np.array_equal(np.asarray(decoded), np.asarray(image))

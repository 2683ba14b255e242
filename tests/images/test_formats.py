"""The list of formats: only these are ever offered a file, and damage never raises anything but an `ImageError`."""

from __future__ import annotations

import io
import random
import re
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image, read_image_size
from freeloc.images.find import SUFFIXES
from tests.images.heic_files import heic_bytes
from tests.images.sample_images import scene, stored

NEEDS_HEIF = pytest.mark.skipif(find_spec("pi_heif") is None, reason="the extra formats is not installed")

OTHER_FILES = {
    "dds": b"DDS " + struct.pack("<7I", 124, 0x1007, 16, 16, 0, 0, 1) + bytes(92),
    "wmf": b"\xd7\xcd\xc6\x9a\0\0" + bytes(12) + b"\x01\0\t\0" + bytes(40),
    "emf": b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "spider": struct.pack(">27f", *([1.0] * 27)) + bytes(1000),
    "psd": b"8BPS\0\x01" + bytes(60),
    "ico": b"\0\0\x01\0\x01\0" + bytes(40),
    "fits": b"SIMPLE  =                    T" + bytes(60),
    "qoi": b"qoif" + bytes(40),
    "pam": b"P7\nWIDTH 1\n" + bytes(40),
    "pillow": b"PyRGBA\n1 1\n255\n" + bytes(40),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>" + bytes(10),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_formats_are_refused_by_their_signature(name: str) -> None:
    for read in (load_image, read_image_size):
        with pytest.raises(ImageError, match="not an image in a supported format"):
            read(OTHER_FILES[name])


def test_readers_of_other_formats_are_not_even_loaded() -> None:
    code = """
import io, sys
from PIL import Image
from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image
for data in (b"DDS " + bytes(200), b"%!PS-Adobe", b"no image", b"\\0" * 64):
    try:
        load_image(data)
    except ImageError:
        pass
loaded = {name.removeprefix("PIL.") for name in sys.modules if name.startswith("PIL.") and "Plugin" in name}
print(" ".join(sorted(loaded)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    allowed = {
        f"{name}ImagePlugin"
        for name in ("Bmp", "Gif", "Jpeg", "Png", "Ppm", "Tiff", "WebP", "Avif", "Jpeg2K")
    }
    assert set(done.stdout.split()) <= allowed


def test_the_documentation_lists_the_formats() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "data.md").read_text()
    section = page.split("## Image formats")[1].split("\n## ")[0]
    extra = {"heic", "heif", "hif", "jxl"}  # whether the extra is installed or not
    assert set(re.findall(r"`\.(\w+)`", section)) == {suffix.removeprefix(".") for suffix in SUFFIXES} | extra


def test_a_jpeg_with_damaged_data_of_further_images_is_read() -> None:
    # Phones store several images in one file; the index of the others does not concern the first.
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    expected = load_image(data)
    for content in (
        b"MPF\0",
        b"MPF\0II*\0\x08\0\0\0",
        b"MPF\0II*\0\x08\0\0\0\x01\0\x01\xb0\x04\0\x01\0\0\0\x02\0\0\0",
    ):
        segment = b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content
        assert np.array_equal(load_image(data[:2] + segment + data[2:]), expected)


def assert_damage_is_refused(data: bytes, count: int) -> None:
    """Change three bytes of a file at random, ``count`` times: it is read, or refused by an error of freeloc."""
    pick = random.Random(0)
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(3):
            damaged[pick.randrange(len(damaged))] = pick.randrange(256)
        for read in (load_image, read_image_size):
            try:
                read(bytes(damaged))
            except ImageError as error:
                assert error.reason


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
def test_damaged_avif_files_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "AVIF")
    data = buffer.getvalue()
    assert np.abs(load_image(data).astype(int) - scene()).mean() < 6
    assert_damage_is_refused(data, 300)


@NEEDS_HEIF
@pytest.mark.parametrize("orientation", [1, 2, 3, 6, 8])
def test_heic_files_are_read_upright(orientation: int) -> None:
    data = heic_bytes(Image.fromarray(stored(scene(), orientation)), orientation)
    assert np.abs(load_image(data).astype(int) - scene()).mean() < 6
    assert read_image_size(data) == Size(48, 32)


@NEEDS_HEIF
def test_heif_files_without_a_brand_of_their_own() -> None:
    """Both HEIC and AVIF files may begin with the brand mif1."""
    data = heic_bytes(Image.fromarray(scene()))
    assert data[4:12] == b"ftypheic"
    assert np.array_equal(load_image(data[:8] + b"mif1" + data[12:]), load_image(data))
    if features.check("avif"):
        buffer = io.BytesIO()
        Image.fromarray(scene()).save(buffer, "AVIF")
        data = buffer.getvalue()
        assert data[4:12] == b"ftypavif"
        assert np.array_equal(load_image(data[:8] + b"mif1" + data[12:]), load_image(data))


@NEEDS_HEIF
def test_a_heic_file_that_declares_another_size_is_refused() -> None:
    """The decoder would give an image of its own size, to which boxes and points do not refer."""
    data = bytearray(heic_bytes(Image.fromarray(scene())))
    place = data.index(b"clap") + 4  # the part of the coded image to show: its width
    assert int.from_bytes(data[place : place + 4]) == 48
    data[place : place + 4] = (48 + 2**15).to_bytes(4)
    for source in (bytes(data), io.BytesIO(data)):
        with pytest.raises(
            ImageError, match=r"its header declares \d+×\d+ pixels, but it contains \d+×\d+; replace it"
        ):
            load_image(source)


@NEEDS_HEIF
def test_damaged_heic_files_are_refused() -> None:
    data = heic_bytes(Image.fromarray(scene()))
    assert_damage_is_refused(data, 100)


def test_without_the_extra_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    code = """
import sys
sys.modules["pi_heif"] = None
from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image
from freeloc.images.find import find_images
for function in (load_image, lambda path: find_images([path.rsplit("/", 1)[0]])):
    try:
        function(sys.argv[1])
    except ImageError as error:
        print(error)
"""
    file = str(tmp_path / "a.heic")
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        (
            f"cannot read image {file}: it is a HEIC file, which requires another package; run pip install "
            "'freeloc[formats]', or convert it to JPEG or PNG"
        ),
        (
            f"{tmp_path} contains only images in unsupported formats (.heic): run pip install 'freeloc[formats]', "
            "or convert to JPEG"
        ),
    ]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("x"),
        NotImplementedError(),
        ZeroDivisionError(),
        AttributeError("x"),
        BufferError(),
    ],
)
def test_every_exception_of_a_reader_becomes_an_image_error(error: Exception) -> None:
    class Failing(Image.Image):
        def load(self) -> None:
            raise error

    image = Failing()
    image.im = Image.new("RGB", (2, 2)).im
    image._mode, image._size = "RGB", (2, 2)
    with pytest.raises(ImageError, match="the given image"):
        load_image(image)


@pytest.mark.parametrize("maximum", [1, 15, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_portable_maps_of_any_maximum(maximum: int, plain: bool, channels: int) -> None:
    values = np.random.default_rng(0).integers(0, maximum + 1, (5, 7, channels))
    values[0, 0] = maximum
    magic = {(1, True): "P2", (3, True): "P3", (1, False): "P5", (3, False): "P6"}[channels, plain]
    if plain:
        body = " ".join(map(str, values.ravel())).encode() + b"\n"
    else:
        body = values.astype(">u2" if maximum > 255 else "u1").tobytes()
    image = load_image(f"{magic}\n# a comment\n7 5\n{maximum}\n".encode() + body)
    assert np.abs(image - values / maximum * 255).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_portable_float_maps(order: str) -> None:
    values = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    body = values[::-1].astype(f"{order}f4").tobytes()  # from the bottom up
    data = f"Pf\n2 2\n{-1.0 if order == '<' else 1.0}\n".encode() + body
    assert load_image(data)[..., 0].tolist() == [[0, 64], [128, 255]]

"""EXIF orientation: every image is decoded upright, and its size is that of the upright image."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from freeloc.geometry.size import Size
from freeloc.images.decode import load_image, read_image_size
from freeloc.images.image_info import read_image_info
from tests.images.sample_images import close_to, exif_of, png_bytes, png_chunks, scene, stored


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_every_orientation_is_decoded_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    path = tmp_path / f"image{suffix}"
    lossy: dict[str, Any] = {"quality": 98}
    options = {".jpg": lossy, ".webp": {"lossless": True}, ".avif": lossy}.get(suffix, {})
    Image.fromarray(stored(scene(), orientation)).save(path, exif=exif_of(orientation), **options)

    assert close_to(load_image(path), scene(), 6 if suffix in (".jpg", ".avif") else 0)
    assert read_image_size(path) == Size(48, 32)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_an_avif_is_turned_by_its_container_alone() -> None:
    """A converter may leave the orientation in EXIF or XMP unchanged after it has turned the pixels."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a xmlns:tiff="b" tiff:Orientation="6"/></x:xmpmeta>'
    for options in ({"xmp": xmp}, {"xmp": xmp, "exif": exif_of(1)}):
        buffer = io.BytesIO()
        Image.fromarray(scene()).save(buffer, "AVIF", quality=98, **options)
        data = buffer.getvalue()
        assert close_to(load_image(data), scene(), 6)
        assert read_image_size(data) == Size(48, 32)
    # Pillow removes the orientation from the EXIF data that it writes, so another tag is renamed afterwards.
    exif = Image.Exif()
    exif[0x0113] = 6
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "AVIF", quality=98, exif=exif)
    other, orientation = (struct.pack(">HHIH", tag, 3, 1, 6) for tag in (0x0113, 0x0112))
    data = buffer.getvalue().replace(other, orientation)
    assert orientation in data
    assert close_to(load_image(data), scene(), 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_compressed_tiff_is_decoded_upright(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "image.tiff"
    image = Image.fromarray(stored(scene(), orientation))
    image.save(path, exif=exif_of(orientation), compression="tiff_lzw")
    assert np.array_equal(load_image(path), scene())
    assert read_image_size(path) == Size(48, 32)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_exif_behind_the_pixels_of_a_png_is_read_with_and_without_decoding(
    tmp_path: Path, orientation: int
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(stored(scene(), orientation)).save(buffer, "PNG", exif=exif_of(orientation))
    chunks = png_chunks(buffer.getvalue())
    late = [c for c in chunks if c[0] not in (b"eXIf", b"IEND")]
    late += [c for c in chunks if c[0] == b"eXIf"] + [(b"IEND", b"")]
    path = tmp_path / "late.png"
    path.write_bytes(png_bytes(late))
    assert np.array_equal(load_image(path), scene())
    assert read_image_size(path) == Size(48, 32)


@pytest.mark.parametrize(
    "damage", ["wrong checksum", "no valid type", "no valid type before", "another critical"]
)
def test_damaged_chunks_behind_the_pixels_of_a_png_do_not_change_its_size(
    tmp_path: Path, damage: str
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(stored(scene(), 6)).save(buffer, "PNG", exif=exif_of(6))
    parts = dict(png_chunks(buffer.getvalue()))
    exif, transparent = (b"eXIf", parts[b"eXIf"]), (b"tRNS", bytes(6))
    behind = {
        "wrong checksum": [exif, transparent],
        "no valid type": [exif, (b"\x83Q\xaa\xa6", b"")],
        "no valid type before": [(b"\x83Q\xaa\xa6", b""), exif],
        "another critical": [exif, (b"ABCD", b"1234")],
    }[damage]
    data = png_bytes([(kind, parts[kind]) for kind in (b"IHDR", b"IDAT")] + behind)
    if damage == "wrong checksum":
        data = data[:-1] + bytes([data[-1] ^ 1])
    path = tmp_path / "damaged.png"
    path.write_bytes(data)
    image = load_image(path)
    assert image.shape[:2] == ((48, 32) if damage == "no valid type before" else (32, 48))
    assert read_image_size(path) == Size(image.shape[1], image.shape[0])
    assert read_image_info([path])[0].size == read_image_size(path)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_orientation_in_xmp_counts(tmp_path: Path, suffix: str) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    path = tmp_path / f"image{suffix}"
    image = Image.fromarray(stored(scene(), 6))
    if suffix == ".png":
        from PIL import PngImagePlugin

        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        image.save(path, pnginfo=info)
    elif suffix == ".webp":
        image.save(path, lossless=True, xmp=xmp)
    else:
        image.save(path, tiffinfo={700: xmp})
    assert np.array_equal(load_image(path), scene())
    assert read_image_size(path) == Size(48, 32)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", exif_of(99).tobytes()]
)
def test_unreadable_orientation_means_upright(tmp_path: Path, exif: bytes) -> None:
    path = tmp_path / "image.jpg"
    Image.fromarray(scene()).save(path, quality=98, exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert close_to(load_image(path), scene(), 6)
        assert read_image_size(path) == Size(48, 32)


def test_a_pillow_image_is_turned_in_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(stored(scene(), 6)).save(path, exif=exif_of(6))
    with Image.open(path) as image:
        assert np.array_equal(load_image(image), scene())
        assert np.array_equal(load_image(image), scene())
        assert np.array_equal(np.asarray(image), stored(scene(), 6))

"""JPEG XL files, written by libjxl: upright in every orientation, whatever their metadata says."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image, read_image_size
from freeloc.images.image_info import read_image_info
from tests.images.sample_images import close_to, exif_of, scene, stored
from tests.images.test_formats import assert_damage_is_refused

pylibjxl = pytest.importorskip("pylibjxl", reason="the extra formats is not installed")

# Written by cjxl 0.7 without loss: two frames of one color each, and twelve gray values, every other one transparent.
ANIMATION = base64.b64decode(
    "/woQMEEAFhSXBAgIoAIAAEgASxiLFcJJAuYFJAAY8r1YqwMACAigQgAARABLGIsVwklDXb6ABACR880FAA=="
)
GRAY_AND_ALPHA = base64.b64decode(
    "/woQMLAoLgQICBAApABLGIsVln4mW14UBhQE3fWYYRwEMpGBjTbcEIAJ6ZVN6f3+63r72KSPCg=="
)


def xmp_of(orientation: int) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'tiff:Orientation="{orientation}"/></rdf:RDF></x:xmpmeta>'
    ).encode()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_that_was_converted_without_loss_is_turned_once(tmp_path: Path, orientation: int) -> None:
    """Such a file has the orientation three times: in its codestream, in EXIF and in XMP."""
    buffer = io.BytesIO()
    image = Image.fromarray(stored(scene(), orientation))
    image.save(buffer, "JPEG", quality=98, exif=exif_of(orientation), xmp=xmp_of(orientation))
    path = tmp_path / "image.jxl"
    path.write_bytes(pylibjxl.jpeg_to_jxl(buffer.getvalue()))
    assert close_to(load_image(path), scene(), 6)
    assert read_image_size(path) == Size(48, 32)
    (info,) = read_image_info([path])
    assert (info.size, info.orientation) == (Size(48, 32), 1)


def test_the_orientation_in_metadata_has_no_effect_without_one_in_the_codestream() -> None:
    data = pylibjxl.encode(scene(), lossless=True, exif=exif_of(6).tobytes(), xmp=xmp_of(6))
    assert np.array_equal(load_image(data), scene())
    assert read_image_size(data) == Size(48, 32)


def test_gray_and_transparent_images() -> None:
    gray = scene()[..., 0]
    assert np.array_equal(load_image(pylibjxl.encode(gray, lossless=True))[..., 1], gray)
    alpha = np.dstack((scene(), np.where(gray > 100, 255, 0).astype(np.uint8)))
    shown = load_image(pylibjxl.encode(alpha, lossless=True))
    assert np.array_equal(shown, np.where(alpha[..., 3:] == 255, scene(), 255))
    row = [255, 20, 255, 60, 255, 100, 255, 140, 255, 180, 255, 220]
    assert load_image(GRAY_AND_ALPHA)[..., 0].ravel().tolist() == row


def test_animations_are_refused_because_only_their_last_frame_would_be_read() -> None:
    with pytest.raises(ImageError, match="it is an animated JPEG XL image; save it as PNG or JPEG"):
        load_image(ANIMATION)


def test_truncated_and_damaged_files_are_refused() -> None:
    data = pylibjxl.encode(scene(), lossless=True)
    with pytest.raises(ImageError, match="decoding failed"):
        load_image(data[: len(data) // 2])
    assert_damage_is_refused(data, 100)


def test_without_the_extra_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "a.jxl").write_bytes(pylibjxl.encode(scene()))
    code = """
import sys
sys.modules["pylibjxl"] = None
from freeloc.errors import ImageError
from freeloc.images.decode import load_image
try:
    load_image(sys.argv[1])
except ImageError as error:
    print(error)
"""
    file = str(tmp_path / "a.jxl")
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"cannot read image {file}: it is a JPEG XL file, which requires another package; run pip install "
        "'freeloc[formats]', or convert it to JPEG or PNG\n"
    )

"""JPEG 2000 files of several bit depths."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from freeloc.errors import ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image, read_image_size

# Lossless files of `samples`, written by imagecodecs.jpeg2k_encode (OpenJPEG).
FILES = {
    (1, 1, "jp2"): (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABAAAAAgAAQAHAAAAAAAPY29scgEA"
        "AAAAABEAAACGanAyY/9P/1EAKQAAAAAACAAAAAQAAAAAAAAAAAAAAAgAAAAEAAAAAAAAAAAAAQABAf9SAAwAAAABAAAEBAAB"
        "/1wABEAI/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAAFAAB/5PSABFe9Ff/2Q=="
    ),
    (4, 1, "jp2"): (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABAAAAAgAAQMHAAAAAAAPY29scgEA"
        "AAAAABEAAACTanAyY/9P/1EAKQAAAAAACAAAAAQAAAAAAAAAAAAAAAgAAAAEAAAAAAAAAAAAAQMBAf9SAAwAAAABAAAEBAAB"
        "/1wABEAg/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAAIQAB/5PfIQARgjwiDZPkjwyn"
        "tmzADofg/9k="
    ),
    (12, 1, "jp2"): (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABAAAAAgAAQsHAAAAAAAPY29scgEA"
        "AAAAABEAAACwanAyY/9P/1EAKQAAAAAACAAAAAQAAAAAAAAAAAAAAAgAAAAEAAAAAAAAAAAAAQsBAf9SAAwAAAABAAAEBAAB"
        "/1wABEBg/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAAPgAB/5Pf4LQSHdW3D3YFSXtf"
        "qpp3WDtUkOT4SYs6vOVc44sTPDCNAV5HhxBnuk/+XXl5lKX/2Q=="
    ),
    (16, 1, "jp2"): (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABAAAAAgAAQ8HAAAAAAAPY29scgEA"
        "AAAAABEAAADAanAyY/9P/1EAKQAAAAAACAAAAAQAAAAAAAAAAAAAAAgAAAAEAAAAAAAAAAAAAQ8BAf9SAAwAAAABAAAEBAAB"
        "/1wABECA/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAATgAB/5Pf+JHgEh3Vtw92BUl7"
        "X6qad1g7VJDk+EmLOYtxbhGi/MW4txbhGi/MXLzlXOOLEzwwjQFeR4cQZ7pP/l15eZSl/9k="
    ),
    (4, 3, "jp2"): (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABAAAAAgAAwMHAAAAAAAPY29scgEA"
        "AAAAABAAAAC1anAyY/9P/1EALwAAAAAACAAAAAQAAAAAAAAAAAAAAAgAAAAEAAAAAAAAAAAAAwMBAQMBAQMBAf9SAAwAAAAB"
        "AQAEBAAB/1wABEAg/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAAPQAB/5PPhSARfnpq"
        "e0mT5VXliBTL3aW1BBnfIJAa+xJhnZidqY/fILAsYow5bV8QIX9ia//Z"
    ),
    (4, 3, "j2k"): (
        "/0//UQAvAAAAAAAIAAAABAAAAAAAAAAAAAAACAAAAAQAAAAAAAAAAAADAwEBAwEBAwEB/1IADAAAAAEBAAQEAAH/XAAEQCD/"
        "ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAAA9AAH/k8+FIBF+emp7SZPlVeWIFMvdpbUE"
        "Gd8gkBr7EmGdmJ2pj98gsCxijDltXxAhf2Jr/9k="
    ),
    (8, 3, "jp2"): (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABAAAAAgAAwcHAAAAAAAPY29scgEA"
        "AAAAABAAAAC1anAyY/9P/1EALwAAAAAACAAAAAQAAAAAAAAAAAAAAAgAAAAEAAAAAAAAAAAAAwcBAQcBAQcBAf9SAAwAAAAB"
        "AQAEBAAB/1wABEBA/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAAPQAB/5PPtHAQ3CHj"
        "/CUg8IGPQnqHjWaZsrZ+KW/pxjCHbNg/wHRQFABa+7/AdFARUFL7v//Z"
    ),
    (16, 3, "jp2"): (
        "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABAAAAAgAAw8HAAAAAAAPY29scgEA"
        "AAAAABAAAAENanAyY/9P/1EALwAAAAAACAAAAAQAAAAAAAAAAAAAAAgAAAAEAAAAAAAAAAAAAw8BAQ8BAQ8BAf9SAAwAAAAB"
        "AQAEBAAB/1wABECA/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAAlQAB/5PP/DD0EYPN"
        "qc+kLlMbPPaZ4++yMkZDp1z5uNJMzSYMuc53D2h/QSfQKM2LLEhHdqCUzurAESJrFcJ1+Dd5vnakJ8B+w+AUAFr7m0LfADCO"
        "+UMI+hSQj6FJCPoUkI+hSQj/OmiPwH7D4BFQUvubQt8AMI75Qwj6FJCPoUkI+hSQj6FJCP86aI//2Q=="
    ),
}


def samples(bits: int, channels: int) -> np.ndarray:
    """Return (4, 8, channels) values from 0 to the largest of the bit depth."""
    count = 2**bits
    values: np.ndarray = (
        np.arange(4 * 8 * channels).reshape(4, 8, channels) * (1 if bits < 8 else count // 96) % count
    )
    values[-1, -1] = count - 1
    return values


def decoded(key: tuple[int, int, str]) -> np.ndarray:
    return load_image(base64.b64decode(FILES[key]))


@pytest.mark.parametrize("key", [key for key in FILES if key[:2] != (16, 3)])
def test_the_whole_scale_is_used(key: tuple[int, int, str]) -> None:
    bits, channels, _ = key
    expected = samples(bits, channels) / (2**bits - 1) * 255
    assert np.abs(decoded(key) - expected).max() <= 1
    assert (decoded(key)[-1, -1] == 255).all()
    assert read_image_size(base64.b64decode(FILES[key])) == Size(8, 4)


def test_deep_color_is_refused_because_white_would_become_black() -> None:
    with pytest.raises(ImageError, match="JPEG 2000 image with 16 bits per channel"):
        decoded((16, 3, "jp2"))


@pytest.mark.parametrize("key", [(4, 3, "j2k"), (4, 3, "jp2")])
def test_files_without_a_complete_header_are_refused(key: tuple[int, int, str]) -> None:
    data = base64.b64decode(FILES[key])
    for length in range(16, data.index(b"\xff\x90")):  # the marker that starts the pixel data
        with pytest.raises(ImageError):
            load_image(data[:length])

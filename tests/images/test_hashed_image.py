"""Images whose content must have a known hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import ImageError
from freeloc.images import hashed_image
from freeloc.images.decode import load_image, read_image_size
from freeloc.images.hashed_image import HashedImage, open_and_hash
from freeloc.images.image_info import read_image_info
from freeloc.images.verify import verify_images


@pytest.fixture(params=["in memory", "from disk"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "from disk":
        monkeypatch.setattr(hashed_image, "_MAX_BYTES_IN_MEMORY", 10)
    made = tmp_path / "image.png"
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(made)
    return made


def test_the_image_with_that_hash_is_decoded(path: Path) -> None:
    content_hash = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    image = HashedImage(path, content_hash)
    np.testing.assert_array_equal(load_image(image), load_image(path))
    assert read_image_size(image) == read_image_size(path)
    assert read_image_info([path])[0].content_hash == content_hash
    (verified,) = verify_images([path], quiet=True)
    assert not isinstance(verified, ImageError)
    assert verified.content_hash == content_hash


def test_a_replaced_image_is_refused(path: Path) -> None:
    image = HashedImage(path, read_image_info([path])[0].content_hash)
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(path)
    for read in (load_image, read_image_size):
        with pytest.raises(
            ImageError, match=r"image\.png: the file was replaced or modified after"
        ) as caught:
            read(image)
        assert caught.value.path == path


def test_what_is_read_is_what_was_hashed(path: Path) -> None:
    whole = path.read_bytes()
    read = []
    try:
        with open_and_hash(path) as (file, content_hash):
            assert content_hash == hashlib.sha256(whole).hexdigest()[:32]
            # Overwritten in place while it is open.
            path.write_bytes(b"x" * (len(whole) + 1))
            read.append(file.read())
    except ImageError as error:
        assert "replaced or modified" in str(error)
    else:
        assert read == [whole]


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="absent.png: the file does not exist"):
        load_image(HashedImage(tmp_path / "absent.png", "0" * 32))

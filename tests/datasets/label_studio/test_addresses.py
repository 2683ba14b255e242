from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.datasets.label_studio.addresses import ImageAddresses, is_address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a.jpg",
        "x/b.jpg",
        "my photo (1).jpg",
        "my photo 1.jpg",
        "été.png",
        "0a1b2c3d-c.jpg",
        "x%20y.jpg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("/data/local-files/?d=disk/x/b.jpg", "x/b.jpg"),
        ("/data/local-files/?d=x%2Fb.jpg&y=1", "x/b.jpg"),
        ("/data/local-files/?d=", None),
        ("/data/upload/12/0a1b2c3d-a.jpg", "a.jpg"),
        ("/data/upload/12/0a1b2c3d-c.jpg", "0a1b2c3d-c.jpg"),
        ("/data/upload/12/0a1b2c3d-%C3%A9t%C3%A9.png", "été.png"),
        ("/data/upload/12/0a1b2c3d-my_photo_1.jpg", None),  # two names are stored like this
        ("https://example.org/far/x/b.jpg?size=1#y", "x/b.jpg"),
        ("s3://bucket/a.jpg", "a.jpg"),
        ("http://[bad/a.jpg", "a.jpg"),
        ("http://example.org/x%20y.jpg?size=1", "x%20y.jpg"),
        ("./x/b.jpg", "x/b.jpg"),
        ("0a1b2c3d-a.jpg", None),  # not an upload
    ],
)
def test_addresses_are_found(folder: Path, address: str, name: str | None) -> None:
    assert ImageAddresses(folder).find(address) == (None if name is None else folder / name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.JPG", True),
        ("./a.jpg", True),
        ("..\\x\\a.jpg", True),
        ("x/._a.jpg", False),
        ("/data/upload/1/x", True),
        ("/data/local-files/?d=x", True),
        ("gs://bucket/x.webp?a=b", True),
        ("http://[bad", False),
        ("a dog", False),
        ("", False),
        ("data:image/png;base64,AAAA", False),
    ],
)
def test_texts_that_are_no_addresses_are_told_apart(text: str, expected: bool) -> None:
    assert is_address(text) == expected


def test_a_name_that_differs_only_in_case_is_named(folder: Path) -> None:
    images = ImageAddresses(folder)
    assert images.missing("x/B.JPG") == (
        f"image x/B.JPG is not in {folder}, but {folder / 'x/b.jpg'} exists: correct the name, or set images to the "
        "folder that contains the images"
    )
    assert images.missing("gone.jpg").endswith(
        f"is not in {folder}: set images to the folder that contains the images"
    )

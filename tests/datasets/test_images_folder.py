from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.datasets.images_folder import find_by_ending, find_image_or_id, find_images_folder
from freeloc.io.paths import is_file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("train/a.jpg", "b/train/a.jpg", "b/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("b/train/a.jpg", "b/train/a.jpg"),
        ("x/b/train/a.jpg", "b/train/a.jpg"),
        ("/x/train/a.jpg", "train/a.jpg"),
        ("x\\train\\a.jpg", "train/a.jpg"),
        ("../b/c.jpg", "b/c.jpg"),
        ("c.jpg", None),
        ("train", None),
        ("", None),
        ("/", None),
        ("a\0b", None),
    ],
)
def test_the_longest_ending_is_found(root: Path, listed: str, found: str | None) -> None:
    assert find_by_ending(root, listed) == (None if found is None else root / found)


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("a", "train/a.jpg"),
        ("x/train/a.jpg", "train/a.jpg"),
        ("c", "b/c.jpg"),
        ("frame.1", "b/frame.1.PNG"),
        ("gone", "train/gone.jpg"),
        ("gone.png", "train/gone.png"),
    ],
)
def test_an_id_is_the_name_without_suffix(root: Path, listed: str, found: str) -> None:
    (root / "b" / "frame.1.PNG").touch()
    assert find_image_or_id([root / "missing", root / "train", root / "b"], listed) == root / found


@pytest.mark.parametrize("listed", ["", "/", "..", ".", "\0", "x" * 5000])
def test_any_id_has_a_path(listed: str) -> None:
    assert not is_file(find_image_or_id([Path("x" * 5000), Path(), Path("/")], listed))


def test_the_first_folder_with_a_listed_image_is_taken(root: Path) -> None:
    folders = [root / "missing", root / "train", root / "b"]
    assert find_images_folder(folders, ["x.jpg", "c.jpg"]) == root / "b"
    assert find_images_folder(folders, ["x.jpg"]) == root / "train"

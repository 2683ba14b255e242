"""The images below a folder, and the first of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.datasets.image_tree import ImageTree, first_images
from freeloc.datasets.options import OpenOptions
from freeloc.errors import DatasetError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_images_splits_and_links(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "b.jpg", "train/2024/a.PNG", "dog/c.jpg", "notes.txt", ".hidden/d.jpg", "raw.NEF")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    tree = ImageTree.read(tmp_path, OpenOptions(), "a folder")
    assert [image.relative_to(tmp_path).as_posix() for image in tree.images] == [
        "b.jpg",
        "dog/c.jpg",
        "train/2024/a.PNG",
    ]
    assert list(map(tree.split_of, tree.images)) == [None, None, "train"]
    assert tree.broken_links == (tmp_path / "gone.jpg",)
    assert caplog.messages == [f"{tmp_path}: left out 1 image in unsupported formats (.nef): convert to JPEG"]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(DatasetError, match="contains no images"):
        ImageTree.read(tmp_path, OpenOptions(), "a folder")
    with pytest.raises(DatasetError, match=r"notes\.txt is not a folder; expected a folder"):
        ImageTree.read(tmp_path / "notes.txt", OpenOptions(), "a folder")


def test_only_the_first_folders_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "z.jpg", *(f"{number:03}/a.jpg" for number in range(80)), ".cache/a.jpg", "@eaDir/a.jpg")
    names = [image.relative_to(tmp_path).as_posix() for image in first_images(tmp_path)]
    assert names == ["z.jpg", *(f"{number:03}/a.jpg" for number in range(49))]

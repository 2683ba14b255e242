"""Tag lists as class folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.datasets import DatasetChecks, open_dataset
from freeloc.datasets.problems import Problem
from freeloc.errors import FreelocError
from tests.datasets.tags.tag_lists import (
    images,
    names_of,
    problems_of,
)


def test_one_folder_per_class(tmp_path: Path) -> None:
    root = tmp_path / "pets"
    images(root, "dog/2.jpg", "dog/1.JPG", "dog/both.jpg", "cat/1.JPG", "cat/other.png")
    (root / "cow").mkdir()
    (root / ".cache").mkdir()
    (root / "cat" / "Thumbs.db").write_text("no image")
    (root / "cat" / "both.jpg").write_bytes((root / "dog" / "both.jpg").read_bytes())
    data = open_dataset(root)
    assert (data.name, data.classes) == ("pets", ("cat", "cow", "dog"))
    assert [str(sample.path.relative_to(root)) for sample in data] == [
        "cat/1.JPG",
        "cat/both.jpg",
        "cat/other.png",
        "dog/1.JPG",
        "dog/2.jpg",
    ]
    assert data.labels.tolist() == [[1, -1, -1], [1, -1, 1], [1, -1, -1], [-1, -1, 1], [-1, -1, 1]]


def test_class_folders_inside_split_folders(tmp_path: Path) -> None:
    images(tmp_path, "train/dog/a.jpg", "train/cat/b.jpg", "val/dog/c.jpg")
    data = open_dataset(tmp_path, split="val")
    assert (names_of(data), data.classes, data.labels.tolist()) == (["c.jpg"], ("cat", "dog"), [[-1, 1]])
    assert names_of(open_dataset(tmp_path)) == ["b.jpg", "a.jpg", "c.jpg"]


def test_problems_of_class_folders_name_the_image(tmp_path: Path) -> None:
    images(tmp_path, "dog/a.jpg", "cat/b.jpg")
    broken = tmp_path / "cat" / "broken.jpg"
    broken.write_bytes(b"")
    problems = problems_of(tmp_path, classes=["dog"])
    assert [(problem.kind, problem.file, problem.line) for problem in problems] == [
        ("unreadable_image", broken, None),
    ]


def test_class_folders_must_not_contain_folders_and_need_no_folder_of_images(tmp_path: Path) -> None:
    images(tmp_path, "dog/a.jpg")
    with pytest.raises(FreelocError, match="omit images, which applies only to lists of file names"):
        open_dataset(tmp_path, images=tmp_path)
    (tmp_path / "dog" / "puppies").mkdir()
    with pytest.raises(FreelocError, match="puppies is a folder inside a class folder"):
        open_dataset(tmp_path)


def test_unsupported_images_and_broken_links_in_class_folders_are_reported(tmp_path: Path) -> None:
    images(tmp_path, "dog/a.jpg", "cat/b.jpg")
    psd, link = tmp_path / "cat" / "c.PSD", tmp_path / "dog" / "d.jpg"
    psd.write_bytes(b"picture")
    (tmp_path / "cat" / "notes.txt").touch()
    (tmp_path / "cat" / ".hidden.psd").touch()
    for folder in ("dog", "cat"):
        (tmp_path / folder / "d.jpg").symlink_to(tmp_path / "gone.jpg")
    for decode in (True, False):
        assert problems_of(tmp_path, checks=DatasetChecks(decode=decode)) == [
            Problem(
                "unreadable_image",
                psd,
                None,
                "freeloc cannot read this type of image: convert to JPEG",
            ),
            Problem(
                "missing_image",
                tmp_path / "cat" / "d.jpg",
                None,
                "this image is a link to a file that does not exist",
            ),
            Problem("missing_image", link, None, "this image is a link to a file that does not exist"),
        ]
    data = open_dataset(tmp_path, skip_bad=True)
    assert (names_of(data), data.skipped) == (["b.jpg", "a.jpg"], 3)


def test_a_class_folder_of_unsupported_images_only_is_not_empty(tmp_path: Path) -> None:
    images(tmp_path, "dog/a.jpg")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "b.psd").write_bytes(b"picture")
    problems = problems_of(tmp_path, checks=DatasetChecks(for_training=True))
    assert [problem.kind for problem in problems] == ["unreadable_image"]


def test_a_link_to_itself_is_a_broken_link(tmp_path: Path) -> None:
    images(tmp_path, "dog/a.jpg", "cat/b.jpg")
    for folder in ("dog", "bird"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "loop.gif").symlink_to("loop.gif")
    told = "this image is a link to a file that does not exist"
    assert problems_of(tmp_path) == [
        Problem("missing_image", tmp_path / folder / "loop.gif", None, told) for folder in ("bird", "dog")
    ]
    data = open_dataset(tmp_path, skip_bad=True)
    assert (names_of(data), data.skipped) == (["b.jpg", "a.jpg"], 2)

"""Tag lists: splits, classes, names and metadata files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from freeloc.datasets import DatasetChecks, open_dataset
from freeloc.datasets.problems import Problem
from freeloc.errors import FreelocError
from tests.datasets.tags.tag_lists import (
    images,
    names_of,
    problems_of,
    write,
)


@pytest.mark.parametrize("name", ["tags.csv", "tags.jsonl"])
def test_a_list_that_is_not_text_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"file_name,tags\n\xff")
    (problem,) = problems_of(file)
    assert (problem.kind, problem.file, problem.line) == ("malformed_file", file, 2)


def test_a_class_without_an_image_matters_for_training_only(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "a.jpg,dog", "gone.jpg,cat", "b.jpg,dog")
    options = {"classes": ["cow", "dog", "cat"]}
    assert [problem.kind for problem in problems_of(file, **options)] == ["missing_image"]
    problems = problems_of(file, **options, checks=DatasetChecks(for_training=True))
    # A class that the list does not have is left out of training.
    assert [(problem.kind, problem.line) for problem in problems] == [("missing_image", 3)]
    left = problems_of(file, **options, checks=DatasetChecks(for_training=True), skip_bad=True)
    assert [problem.message.split()[1] for problem in left if problem.kind == "empty_class"] == ["'cat'"]


def test_splits_of_a_column_or_of_folders(tmp_path: Path) -> None:
    images(tmp_path, "train/a.jpg", "b.jpg", "val/c.jpg", "other/d.jpg")
    file = write(
        tmp_path / "tags.csv",
        "file_name,tags,split",
        "train/a.jpg,dog,val",
        "b.jpg,cat, train ",
        "val/c.jpg,dog,",
        "other/d.jpg,cow,",
        "gone.jpg,dog,train",
    )
    val = open_dataset(file, split="val")
    assert (names_of(val), val.name, val.classes) == (["a.jpg", "c.jpg"], "tags val", ("cat", "cow", "dog"))
    assert [problem.line for problem in problems_of(file, split="train")] == [6]
    assert len(problems_of(file)) == 1
    with pytest.raises(FreelocError, match=r"no images in the split 'test': it has train \(2\), val \(2\)"):
        open_dataset(file, split="test")


def test_a_list_without_tags_has_no_classes(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "a.jpg,")
    with pytest.raises(FreelocError, match="has no classes: add tags to its images"):
        open_dataset(file)
    assert open_dataset(file, classes=["dog"]).labels.tolist() == [[0]]


def test_a_list_without_splits_says_so(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "a.jpg,dog")
    with pytest.raises(FreelocError, match="no images in the split 'val': it has no splits"):
        open_dataset(file, split="val")


def test_a_row_that_cannot_be_read_may_belong_to_any_split(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags,split", "a.jpg,dog,train", "b.jpg")
    assert [problem.line for problem in problems_of(file, split="train")] == [3]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_folder_with_metadata(tmp_path: Path, suffix: str) -> None:
    root = tmp_path / "holiday"
    images(root, "train/a.jpg", "val/b.jpg")
    rows = {
        "csv": ["file_name,tags", "train/a.jpg,dog", "val/b.jpg,cat"],
        "jsonl": ['{"file_name": "train/a.jpg", "tags": "dog"}', '{"file_name": "val/b.jpg", "tags": "cat"}'],
    }
    write(root / f"metadata.{suffix}", *rows[suffix])
    data = open_dataset(root)
    assert (data.name, names_of(data), data.classes) == ("holiday", ["a.jpg", "b.jpg"], ("cat", "dog"))
    assert names_of(open_dataset(root, split="val")) == ["b.jpg"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root.joinpath("train").rename(elsewhere / "train")
    moved = open_dataset(root, split="train", images=elsewhere)
    assert [sample.path for sample in moved] == [elsewhere / "train" / "a.jpg"]


def test_metadata_in_split_folders(tmp_path: Path) -> None:
    images(tmp_path, "train/a.jpg", "test/b.jpg", "test/c.jpg")
    write(tmp_path / "train" / "metadata.csv", "file_name,tags", "a.jpg,dog")
    test = write(tmp_path / "test" / "metadata.jsonl", '{"file_name": "b.jpg", "tags": "cat"}')
    data = open_dataset(tmp_path)
    assert (names_of(data), data.classes) == (["b.jpg", "a.jpg"], ("cat", "dog"))
    train = open_dataset(tmp_path, split="train")
    assert (names_of(train), train.labels.tolist()) == (["a.jpg"], [[-1, 1]])
    write(test.with_suffix(".csv"), "file_name,tags", "b.jpg,cat")
    with pytest.raises(FreelocError, match=r"has metadata.csv and metadata.jsonl: specify the file to read"):
        open_dataset(tmp_path)


def test_wide_metadata_of_two_splits_must_agree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images(tmp_path, "train/a.jpg", "val/b.jpg")
    write(tmp_path / "train" / "metadata.csv", "file_name,dog,cat", "a.jpg,1,0")
    val = write(tmp_path / "val" / "metadata.csv", "file_name,cat", "b.jpg,1")
    assert problems_of(tmp_path) == [Problem("bad_value", val, 1, "there is no column for class 'dog'")]
    # Classes that the caller chose are unknown where they have no column.
    assert open_dataset(tmp_path, classes=["dog", "cat"]).labels.tolist() == [[1, -1], [0, 1]]
    assert "has no column for 'dog': their labels are unknown in this list" in caplog.text


def test_one_broken_list_of_two_is_fatal_and_both_are_reported(tmp_path: Path) -> None:
    images(tmp_path, "val/b.jpg")
    train = write(tmp_path / "train" / "metadata.csv", "name", "a.jpg")
    val = write(tmp_path / "val" / "metadata.csv", "file_name,tags", "b.jpg,dog", "gone.jpg,dog")
    for split, lines in (
        (None, [(train, 1), (val, 3)]),
        ("val", [(train, 1), (val, 3)]),
        ("train", [(train, 1)]),
    ):
        problems = problems_of(tmp_path, split=split, skip_bad=True)
        assert [(problem.file, problem.line) for problem in problems] == lines


def test_a_folder_without_a_list_is_reported(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(FreelocError, match="train is not a tag list; expected tag lists: a file"):
        open_dataset(tmp_path, format="tags")


def test_a_class_on_every_image_matters_for_training_only(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags,unknown_tags", "a.jpg,dog|cat,", "b.jpg,cat,dog")
    assert len(open_dataset(file)) == 2
    message = "is in every image: add images without it, or choose classes without it"
    for skip_bad in (False, True):
        assert problems_of(file, checks=DatasetChecks(for_training=True), skip_bad=skip_bad) == [
            Problem("full_class", file, None, f"class 'cat' {message}"),
            Problem("full_class", file, None, f"class 'dog' {message}"),
        ]
    with file.open("a") as out:
        out.write("c.jpg,dog,\n")
    # There is now an image without a cat, but still none without a dog.
    assert [
        problem.message.split()[1] for problem in problems_of(file, checks=DatasetChecks(for_training=True))
    ] == ["'dog'"]


def test_a_class_is_not_full_because_of_an_image_that_is_left_out(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "a.jpg,dog", "gone.jpg,")
    assert [problem.kind for problem in problems_of(file, checks=DatasetChecks(for_training=True))] == [
        "missing_image"
    ]
    problems = problems_of(file, checks=DatasetChecks(for_training=True), skip_bad=True)
    assert [problem.kind for problem in problems] == ["full_class", "missing_image"]


def latin(folder: Path, name: str) -> Path:
    """Return a file name in another encoding; skip the test if the system does not allow such names."""
    path = folder / os.fsdecode(name.encode("latin-1"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        images(path.parent, path.name)
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    return path


def test_file_names_need_not_be_utf8(tmp_path: Path) -> None:
    path = latin(tmp_path / "dog", "h\xe9.jpg")
    data = open_dataset(tmp_path)
    assert [sample.path for sample in data] == [path]
    digest = hashlib.sha256(b"dog" + b"h\xe9.jpg\0" + b"\x01").hexdigest()
    assert data.fingerprint == digest


def test_the_hash_of_ordinary_names_is_that_of_their_utf8(tmp_path: Path) -> None:
    images(tmp_path, "grün.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "grün.jpg,dog")
    digest = hashlib.sha256(b"dog" + "grün.jpg".encode() + b"\0\x01").hexdigest()
    assert open_dataset(file).fingerprint == digest


def test_folder_names_that_are_not_utf8_are_reported_as_classes_and_printed_as_names(tmp_path: Path) -> None:
    data = latin(tmp_path, "data\xe9/dog/a.jpg").parents[1]
    assert open_dataset(data).name == "data?"
    (data / "dog").rename(data / os.fsdecode(b"d\xe9g"))
    (problem,) = problems_of(data, skip_bad=True)
    assert problem.kind == "bad_value"
    assert problem.message == r"the class name 'd\udce9g' is not UTF-8 text: rename the class"


def test_file_names_may_be_windows_paths(tmp_path: Path) -> None:
    images(tmp_path, "dog/1.jpg", "train/2.jpg")
    file = write(
        tmp_path / "tags.csv", "file_name,tags", "dog\\1.jpg,dog", "train\\2.jpg,dog", "train\\3.jpg,dog"
    )
    missing = tmp_path / "train\\3.jpg"
    assert problems_of(file) == [Problem("missing_image", file, 4, f"image {missing} is missing")]
    data = open_dataset(file, skip_bad=True)
    assert [sample.path for sample in data] == [tmp_path / "dog" / "1.jpg", tmp_path / "train" / "2.jpg"]
    assert [problem.line for problem in problems_of(file, split="train")] == [4]

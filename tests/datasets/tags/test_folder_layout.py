"""Folders that may be read in several ways."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import DatasetError
from tests.datasets.tags.tag_lists import images, names_of, write


def opened(path: Path, caplog: pytest.LogCaptureFixture, **options: Any) -> tuple[Dataset, list[str]]:
    """Return the dataset and the messages of the log."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "freeloc.datasets"):
        data = open_dataset(path, **options)
    return data, [message.removeprefix(f"{path}: ") for message in caplog.messages]


def refusal(path: Path, **options: Any) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        open_dataset(path, **options)
    return caught.value


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two class folders."""
    images(tmp_path / "pets", "cat/1.jpg", "dog/2.jpg")
    return tmp_path / "pets"


@pytest.mark.parametrize(
    "name", ["test", "train", "Val", "valid", "validation", "Testing", "test_images", "train2017", "dev"]
)
def test_a_split_folder_among_class_folders_is_refused(pets: Path, name: str) -> None:
    images(pets, f"{name}/3.jpg")
    error = refusal(pets)
    assert str(error) == (
        f"{pets} has the folder {name}, a name that usually denotes a split, next to cat and dog: move one or the "
        "other elsewhere, or choose the format 'folders' to make a class of every folder"
    )
    assert error.parameter == "format"
    assert open_dataset(pets, format="folders").classes == tuple(sorted(("cat", "dog", name)))
    # Whoever chooses the class says what the folder is.
    data = open_dataset(pets, classes=["dog", "cat", name])
    assert {sample.path.parent.name: sample.labels.tolist() for sample in data}[name] == [-1, -1, 1]


@pytest.mark.parametrize(
    "name",
    ["images", "masks", "labels", "annotations", "Annotations", "JPEGImages", "ground_truth", "imgs", "mask"],
)
def test_a_helper_folder_among_class_folders_is_refused(pets: Path, name: str) -> None:
    images(pets, f"{name}/3.png")
    error = refusal(pets)
    assert f"has the folder {name}, a name that usually denotes no class, next to cat and dog" in str(error)
    assert error.parameter == "format"
    assert len(open_dataset(pets, format="folders").classes) == 3


@pytest.mark.parametrize(
    "names",
    [["images", "masks"], ["images", "labels"], ["images"], ["img", "annotations", "segmentation_masks"]],
)
def test_helper_folders_alone_are_no_classes(tmp_path: Path, names: list[str]) -> None:
    images(tmp_path, *(f"{name}/1.jpg" for name in names))
    assert re.search(
        r"has the folders? .*, (a name|names) that usually denotes? no class: move", str(refusal(tmp_path))
    )


def test_class_folders_below_a_helper_folder_are_named(tmp_path: Path) -> None:
    images(tmp_path, "images/dog/1.jpg", "images/cat/2.jpg", "masks/dog/1.png")
    assert f"denote no class: open {tmp_path / 'images'}," in str(refusal(tmp_path))
    assert open_dataset(tmp_path / "images").classes == ("cat", "dog")


def test_folders_without_images_are_passed_over(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(pets / "annotations" / "1.xml", "<annotation/>")
    write(pets / "scripts" / "convert.py", "")
    (pets / "test").mkdir()
    (pets / "cow").mkdir()
    data, messages = opened(pets, caplog)
    assert data.classes == ("cat", "cow", "dog")
    assert messages == ["left out as folders without images: annotations, scripts and test"]


def test_system_files_are_passed_over(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (
        "__MACOSX/cat/._1.jpg",
        "cat/._1.jpg",
        "@eaDir/x.jpg",
        ".ipynb_checkpoints/y.jpg",
        "._metadata.csv",
    ):
        write(pets / name, "system")
    for name in ("Thumbs.db", "cat/desktop.ini", ".DS_Store", "dog/.DS_Store"):
        write(pets / name, "system")
    data, messages = opened(pets, caplog)
    assert (data.classes, len(data), messages) == (("cat", "dog"), 2, [])


def test_images_outside_the_class_folders_are_counted(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    images(pets, "3.jpg", "4.png")
    data, messages = opened(pets, caplog)
    assert (len(data), messages) == (2, ["2 images outside the class folders are left out"])


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("tags.csv", ["file_name,tags", "cat/1.jpg,tabby", "dog/2.jpg,poodle"]),
        ("labels.tsv", ["file_name\ttags", "cat/1.jpg\ttabby", "dog/2.jpg\tpoodle"]),
        (
            "annotations.jsonl",
            ['{"file_name": "cat/1.jpg", "tags": "tabby"}', '{"file_name": "dog/2.jpg", "tags": ["poodle"]}'],
        ),
    ],
)
def test_the_only_list_is_read_whatever_its_name(
    pets: Path, name: str, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    write(pets / name, *lines)
    data, messages = opened(pets, caplog)
    assert data.classes == ("poodle", "tabby")
    only = (
        f"tags are read from the list {name}, and not from the names of folders (format 'folders' does that)"
    )
    assert messages == [only]
    assert open_dataset(pets, format="folders").classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("table.parquet", "PAR1", "open table.parquet itself if it contains the tags"),
        ("table.feather", "ARROW1", "write its tags to metadata.csv"),
        ("tags.xlsx", "PK", "write its tags to metadata.csv"),
        (
            "annotations.json",
            '{"images": [{"id": 1, "file_name": "1.jpg"}]}',
            "open annotations.json itself if it is a file of COCO or of a label tool",
        ),
        ("labels.csv", "image,label\n1.jpg,tabby\n", "open labels.csv itself if it contains the tags"),
        ("list.txt", "1.jpg tabby\n", "write its tags to metadata.csv"),
        ("data.jsonl", '{"image": "1.jpg", "label": "tabby"}', "open data.jsonl itself if it contains"),
    ],
)
def test_a_list_that_cannot_be_read_is_named(pets: Path, name: str, text: str, advice: str) -> None:
    (pets / name).write_text(text)
    error = refusal(pets)
    assert f"{pets} has {name}, which seems to list the images: " in str(error)
    assert advice in str(error)
    assert "or choose the format 'folders'" in str(error)
    assert error.parameter == "format"
    assert open_dataset(pets, format="folders").classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("tags.csv", ["filename,labels", "1.jpg,cat", "2.jpg,dog"]),
        ("labels.csv", ["image;tag", "1.jpg;cat", "2.jpg;dog"]),
        ("list.jsonl", ['{"path": "1.jpg", "label": "cat"}', '{"path": "2.jpg", "label": ["dog"]}']),
        ("a.csv", ["file_name,tags", "1.jpg,cat", "2.jpg,dog"]),
    ],
)
def test_the_only_list_of_a_folder_of_images_is_read(
    tmp_path: Path, name: str, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "1.jpg", "2.jpg")
    write(tmp_path / name, *lines)
    data, messages = opened(tmp_path, caplog)
    assert (names_of(data), data.classes) == (["1.jpg", "2.jpg"], ("cat", "dog"))
    assert not any("tags are read from the list" in message for message in messages)
    write(tmp_path / f"other{Path(name).suffix}", *lines)
    error = refusal(tmp_path)
    assert str(error).endswith("specify the file to read")
    assert error.parameter is None


def test_folders_are_no_advice_if_there_are_none(tmp_path: Path) -> None:
    images(tmp_path, "1.jpg")
    write(tmp_path / "list.txt", "1.jpg dog")
    error = refusal(tmp_path)
    assert str(error) == (
        f"{tmp_path} has list.txt, which seems to list the images: write its tags to metadata.csv with the columns "
        "file_name and tags"
    )
    assert error.parameter is None


def test_files_that_list_no_images_do_not_matter(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(pets / "README.txt", "Each folder has images such as photo.jpg.")
    write(pets / "classes.csv", "id,name", "0,cat", "1,dog")
    write(pets / "class_indices.json", '{"cat": 0, "dog": 1}')
    data, messages = opened(pets, caplog)
    assert (data.classes, messages) == (("cat", "dog"), [])


def test_several_lists_have_to_be_chosen_from(pets: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.csv", "b.csv"):
        write(pets / name, "file_name,tags", f"cat/1.jpg,{name[0]}")
    assert "several tag lists (a.csv, b.csv): specify the file to read" in str(refusal(pets))
    assert open_dataset(pets / "b.csv").classes == ("b",)
    write(pets / "metadata.csv", "file_name,tags", "cat/1.jpg,usual")
    data, messages = opened(pets, caplog)
    assert data.classes == ("usual",)
    assert messages == ["metadata.csv is read, which has the usual name, and not a.csv, b.csv"]


def test_a_list_next_to_split_folders_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images(tmp_path, "train/cat/1.jpg", "test/dog/2.jpg")
    write(tmp_path / "tags.csv", "file_name,tags", "train/cat/1.jpg,tabby", "test/dog/2.jpg,poodle")
    data, messages = opened(tmp_path, caplog, split="test")
    assert (names_of(data), data.classes, len(messages)) == (["2.jpg"], ("poodle", "tabby"), 1)


def test_split_folders_in_other_spellings(tmp_path: Path) -> None:
    images(tmp_path, "Training/cat/1.jpg", "Testing/dog/2.jpg")
    write(tmp_path / "docs" / "readme.txt", "no image")
    assert names_of(open_dataset(tmp_path, split="Testing")) == ["2.jpg"]
    assert names_of(open_dataset(tmp_path, split="testing")) == ["2.jpg"]
    assert (
        open_dataset(tmp_path).classes == open_dataset(tmp_path, format="folders").classes == ("cat", "dog")
    )


def test_a_split_without_classes_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "test/3.jpg")
    for format_ in ("auto", "folders"):
        data, messages = opened(tmp_path, caplog, split="train", format=format_)
        assert (names_of(data), data.classes) == (["1.jpg", "2.jpg"], ("cat", "dog"))
        assert messages == ["left out without a list or class folders: test"]


def test_splits_of_images_without_tags_are_refused(tmp_path: Path) -> None:
    images(tmp_path, "train/images/1.jpg", "train/labels/1.png", "valid/images/2.jpg")
    assert (
        f"{tmp_path / 'train'} has the folders images and labels, names that usually denote no class: move"
        in str(refusal(tmp_path))
    )


def test_both_unicode_forms_of_a_folder_name_are_one_class(tmp_path: Path) -> None:
    images(tmp_path, "train/caf\xe9/1.jpg", "train/dog/2.jpg", "val/cafe\u0301/3.jpg")
    data = open_dataset(tmp_path)
    assert (data.classes, data.labels.tolist()) == (("caf\xe9", "dog"), [[1, -1], [-1, 1], [1, -1]])

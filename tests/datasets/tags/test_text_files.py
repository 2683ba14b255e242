"""Text files of tags next to images, as for training image generators."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets import Dataset, open_dataset
from freeloc.datasets.formats import detect_format
from freeloc.datasets.problems import Problem
from freeloc.datasets.tags.text_files import split_text
from freeloc.errors import DatasetError, FreelocError
from tests.datasets.tags.tag_lists import TAGS, images, problems_of


def write(folder: Path, **tags: str) -> None:
    """Write an image and a text file for each text."""
    images(folder, *(f"{name}.jpg" for name in tags))
    for name, text in tags.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="")


def opened(folder: Path, **tags: str) -> Dataset:
    write(folder, **tags)
    return open_dataset(folder, format="txt")


def present(data: Dataset) -> list[set[str]]:
    return [{name for name, label in zip(data.classes, sample.labels) if label == 1} for sample in data]


def test_tags_are_separated_by_commas_or_lines_and_not_changed(tmp_path: Path) -> None:
    data = opened(
        tmp_path,
        a="1girl, long_hair, fate/stay_night, :d,  ",
        b="long_hair\r\nsalt; pepper|x\n\nhat\n",
        c="",
        d="\ufeffhatsune_miku_(vocaloid), hat",
    )
    assert present(data) == [
        {"1girl", "long_hair", "fate/stay_night", ":d"},
        {"long_hair", "salt; pepper|x", "hat"},
        set(),
        {"hatsune_miku_(vocaloid)", "hat"},
    ]
    assert (data.labels != 0).all()


@given(
    st.lists(TAGS.filter(lambda tag: "," not in tag), unique=True, max_size=5),
    st.sampled_from([",", ", ", "\n"]),
)
def test_any_tags_are_read_back(tags: list[str], separator: str) -> None:
    assert split_text(separator.join(tags)) == tuple(tags)


def test_images_without_a_text_file_have_no_tags_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "deep/x.png", "y.jpg")
    (tmp_path / "deep" / "x.png.TXT").write_text("hat")
    (tmp_path / "notes.txt").write_text("no tags")
    data = opened(tmp_path, a="dog")
    assert [sample.path.name for sample in data] == ["a.jpg", "x.png", "y.jpg"]
    assert present(data) == [{"dog"}, {"hat"}, set()]
    assert caplog.messages == [f"{tmp_path}: 1 image without a text file, read as images without tags"]


def test_the_split_is_the_top_folder(tmp_path: Path) -> None:
    for split, tag in (("train", "dog"), ("val", "cat")):
        opened(tmp_path / split, a=tag)
    data = open_dataset(tmp_path, format="txt", split="val")
    assert (data.classes, present(data)) == (("cat", "dog"), [{"cat"}])


def test_all_problems_are_reported_with_their_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, a="dog", b="x", c="dog\n0 0.5 0.5 0.25 0.125\n", d="x", e="x")
    (tmp_path / "b.txt").write_bytes("dog\nDüne".encode("latin-1"))
    (tmp_path / "d.txt").unlink()
    (tmp_path / "d.txt").mkdir()
    (tmp_path / "e.txt").write_bytes(b"dog\nPK\0\0")
    assert problems_of(tmp_path, format="txt") == [
        Problem("malformed_file", tmp_path / "b.txt", 2, "the text is not UTF-8: save the file as UTF-8"),
        Problem(
            "bad_value",
            tmp_path / "c.txt",
            2,
            "'0 0.5 0.5 0.25 0.125' is a line of numbers, as in a list of boxes, and no tags: remove the file",
        ),
        Problem("malformed_file", tmp_path / "d.txt", None, "the text file is a folder: remove or rename it"),
        Problem("malformed_file", tmp_path / "e.txt", 2, "this is not a text file: remove or rename it"),
    ]
    data = open_dataset(tmp_path, format="txt", skip_bad=True)
    assert ([sample.path.name for sample in data], data.skipped) == (["a.jpg"], 4)


def test_a_folder_without_text_files_is_refused(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    with pytest.raises(
        DatasetError, match="has no text files of tags next to its 2 images: add one for each"
    ):
        open_dataset(tmp_path, format="txt")


def test_folders_with_text_files_of_tags_are_recognized(tmp_path: Path) -> None:
    tagged = tmp_path / "tagged"
    opened(tagged, a="1girl, hat", b="hat")
    assert type(detect_format(tagged)).__name__ == "TextFilesFormat"
    boxes = tmp_path / "boxes"
    images(boxes, "a.jpg", "b.jpg")
    for name in ("a", "b"):
        (boxes / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.125\n")
    with pytest.raises(DatasetError, match="is not a dataset in a known format"):
        detect_format(boxes)


def test_subfolders_could_also_be_classes(tmp_path: Path) -> None:
    opened(tmp_path / "10_dog", a="dog, sea")
    with pytest.raises(FreelocError, match="could be in the format tags or txt: choose one"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, format="txt").classes == ("dog", "sea")
    assert open_dataset(tmp_path, format="folders").classes == ("10_dog",)

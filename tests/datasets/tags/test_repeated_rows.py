"""Several rows for one image."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from freeloc.datasets import open_dataset
from tests.datasets.tags.tag_lists import images, names_of, problems_of, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images(tmp_path, "a.jpg", "b.jpg")
    return tmp_path


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("tags.csv", ["file_name,tags", "a.jpg,dog", "b.jpg,dog", "a.jpg,cat", "./a.jpg,dog"]),
        ("wide.csv", ["file_name,cat,dog", "a.jpg,0,1", "b.jpg,0,1", "a.jpg,1,0", "a.jpg,0,1"]),
        (
            "tags.jsonl",
            ["", *(f'{{"file_name": "{file}.jpg", "tags": ["{tag}"]}}' for file, tag in ("ad", "bd", "ac"))],
        ),
    ],
)
def test_rows_of_one_tag_each_are_combined(
    folder: Path, name: str, rows: list[str], skip_bad: bool, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(folder / name, *rows)
    with caplog.at_level(logging.WARNING, "freeloc.datasets"):
        data = open_dataset(file, skip_bad=skip_bad)
    assert (names_of(data), data.labels.tolist(), data.skipped) == (["a.jpg", "b.jpg"], [[1, 1], [-1, 1]], 0)
    message = "lists 1 image in several rows, such as a.jpg in lines 2 and 4: their tags are combined"
    assert caplog.messages == [f"{file} {message}"]


def test_a_tag_of_one_row_outweighs_an_unknown_tag_of_another(folder: Path) -> None:
    file = write(
        folder / "tags.csv", "file_name,tags,unknown_tags", "a.jpg,,dog|cow", "b.jpg,cat,", "a.jpg,dog,"
    )
    data = open_dataset(file)
    assert (data.classes, data.labels.tolist()) == (("cat", "cow", "dog"), [[-1, 0, 1], [1, -1, -1]])


@pytest.mark.parametrize(
    "rows",
    [
        ["file_name,tags", "a.jpg,dog|cat", "b.jpg,cat", "a.jpg,cow"],
        ["file_name,tags,split", "a.jpg,dog,train", "b.jpg,cat,train", "a.jpg,dog,val"],
        ["file_name,dog,cat", "a.jpg,1,1", "b.jpg,1,0", "a.jpg,0,1"],
        ["file_name,dog,cat", "a.jpg,1,0", "b.jpg,1,0", "a.jpg,0,0"],
    ],
)
def test_rows_that_contradict_each_other_leave_the_image_out(folder: Path, rows: list[str]) -> None:
    file = write(folder / "tags.csv", *rows)
    first, second = problems_of(file)
    message = "a.jpg is listed again in line 4, with another split or other tags"
    assert (first.kind, first.line, first.message) == ("duplicate_row", 2, message)
    assert (second.kind, second.line) == ("duplicate_row", 4)
    assert names_of(open_dataset(file, skip_bad=True)) == ["b.jpg"]


def test_a_problem_in_one_row_leaves_the_image_out(folder: Path) -> None:
    file = write(folder / "tags.csv", "file_name,tags", "a.jpg,dog", "b.jpg,cat", "a.jpg,[cat")
    assert open_dataset(file).classes == ("[cat", "cat", "dog")
    write(file, "file_name,tags", "a.jpg,dog", "b.jpg,cat", "a.jpg,'cat")
    assert [problem.line for problem in problems_of(file)] == [4]
    assert names_of(open_dataset(file, skip_bad=True)) == ["b.jpg"]

"""What the columns of a CSV tag list contain."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from freeloc._literals import MinusOne
from freeloc.datasets import Dataset, DatasetChecks, open_dataset
from freeloc.datasets.problems import Problem
from freeloc.errors import DatasetError, FreelocError
from tests.datasets.tags.tag_lists import images, names_of, problems_of, write


def opened(file: Path, caplog: pytest.LogCaptureFixture, **options: Any) -> tuple[Dataset, list[str]]:
    """Return the dataset and the messages of the log."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "freeloc.datasets"):
        data = open_dataset(file, **options)
    return data, [message.removeprefix(f"{file}: ") for message in caplog.messages]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Unnamed: 0", ["0", "1", "2"]),
        ("Unnamed: 0.1", ["0", "1", "1"]),
        ("index", ["2", "0", "1"]),
        ("", ["0", "1", "2"]),
        ("image_id", ["17", "18", "1"]),
        ("width", ["500", "375", "1"]),
        ("xmin", ["0.5", "0.1", "0.2"]),
        ("confidence", ["0.93", "1", "0.5"]),
        ("fold", ["0", "1", "0"]),
        ("iscrowd", ["0", "0", "1"]),
        ("is_occluded", ["0", "1", "1"]),
        ("note", ["blurred", "nice", "from a phone"]),
        ("bytes", ["12345", "99", "1e6"]),
    ],
)
def test_other_columns_are_left_out_and_named_once(
    folder: Path, name: str, cells: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"{cell},{file}.jpg,{label},0" for cell, file, label in zip(cells, "abc", "101", strict=True)]
    file = write(folder / "wide.csv", f"{name},file_name,dog,cat", *rows)
    data, messages = opened(file, caplog)
    assert (data.classes, data.labels.tolist()) == (("dog", "cat"), [[1, -1], [-1, -1], [1, -1]])
    assert messages == [f"left out as no class: column {name!r}"]
    chosen, messages = opened(file, caplog, classes=["cat"])
    left_out = ["left out, because they are not among the classes: 'dog'"]
    assert (chosen.labels.tolist(), messages) == ([[-1]] * 3, left_out)


@pytest.mark.parametrize(
    ("cells", "first", "count"),
    [(["0", "3", "2"], "3", 2), (["0.93", "0.2", "0.1"], "0.93", 3), (["x", "x", ""], "x", 2)],
)
def test_a_column_of_wrong_values_is_one_problem(
    folder: Path, cells: list[str], first: str, count: int
) -> None:
    rows = [f"{name}.jpg,1,{cell}" for name, cell in zip("abc", cells, strict=True)]
    file = write(folder / "wide.csv", "file_name,dog,cat", *rows)
    for skip_bad in (False, True):
        assert problems_of(file, skip_bad=skip_bad) == [
            Problem(
                "bad_value",
                file,
                1,
                f"column 'cat' contains {first!r} and other values than 0, 1, -1 or empty in {count} of 3 rows: "
                "remove the column, correct its values, or choose classes without it",
            )
        ]
    assert open_dataset(file, classes=["dog"]).labels.tolist() == [[1]] * 3


def test_numbers_among_labels_are_one_problem_and_a_few_errors_are_problems_of_their_rows(
    tmp_path: Path,
) -> None:
    names = [f"{index}.jpg" for index in range(12)]
    images(tmp_path, *names)
    for cells, lines in (
        (["0", "1", "2"] * 4, [1]),
        (["0"] * 10 + ["2", "3"], [12, 13]),
        (["0", "y"] * 6, None),
    ):
        rows = [
            f"{name},{index % 2},{cell}" for index, (name, cell) in enumerate(zip(names, cells, strict=True))
        ]
        file = write(tmp_path / "wide.csv", "file_name,dog,cat", *rows)
        assert [problem.line for problem in problems_of(file)] == (lines or [*range(3, 14, 2)])


def test_many_columns_of_numbers_are_one_problem(folder: Path) -> None:
    measured = [f"feature_{index}" for index in range(302)]
    rows = [f"{name}.jpg,1,{','.join(['0.25', '1'] * 151)}" for name in "abc"]
    file = write(folder / "wide.csv", f"file_name,dog,{','.join(measured)}", *rows)
    (problem,) = problems_of(file)
    assert problem.message.startswith(
        "151 columns contain other values than 0, 1, -1 or empty ('feature_0', 'feature_2', 'feature_4', "
    )
    assert problem.message.endswith(
        "…): remove the columns, correct their values, or choose classes without them"
    )
    assert open_dataset(file, classes=["dog"]).labels.tolist() == [[1]] * 3


def test_counts_of_which_most_are_0_or_1_are_one_problem(tmp_path: Path) -> None:
    names = [f"{index}.jpg" for index in range(400)]
    images(tmp_path, *names)
    rows = [f"{name},{index % 2},{2 if index % 20 == 0 else index % 2}" for index, name in enumerate(names)]
    file = write(tmp_path / "wide.csv", "file_name,dog,people", *rows)
    (problem,) = problems_of(file)
    assert (
        "column 'people' contains '2' and other values than 0, 1, -1 or empty in 20 of 400 rows"
        in problem.message
    )


def test_quotes_are_no_part_of_a_column_name(folder: Path) -> None:
    file = write(folder / "wide.csv", "file_name,'dog',\u201ccat\u201d", "a.jpg,1,0", "b.jpg,0,1")
    assert open_dataset(file).classes == ("dog", "cat")


def test_missing_values_of_a_class_are_unknown(folder: Path) -> None:
    file = write(folder / "wide.csv", "file_name,dog", "a.jpg,nan", "b.jpg,1.00", "c.jpg,None")
    assert open_dataset(file).labels.tolist() == [[0], [1], [0]]


@pytest.mark.parametrize("column", ["label", "Labels", "Tags", "class", "category_name", "tag"])
def test_a_column_of_labels_is_a_column_of_tags(
    folder: Path, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ["a.jpg,dog,500", "b.jpg,dog|cat,375", "c.jpg,,1"]
    file = write(folder / "list.csv", f"file_name,{column},width", *rows)
    data, messages = opened(file, caplog)
    assert (data.classes, data.labels.tolist()) == (("cat", "dog"), [[-1, 1], [1, 1], [-1, -1]])
    assert messages == [f"the tags of each image are read from column {column!r}"]


def test_labels_that_repeat_the_class_columns_are_left_out(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for labels in (["dog", "cat", "dog"], ["0", "1", "0"]):
        rows = [f"{name}.jpg,{label},{label in ('dog', '0'):d},0" for name, label in zip("abc", labels)]
        file = write(folder / "wide.csv", "file_name,label,dog,cat", *rows)
        data, messages = opened(file, caplog)
        assert data.classes == ("dog", "cat")
        assert messages == ["left out as no class: column 'label'"]


@pytest.mark.parametrize(
    ("header", "cells", "words"),
    [
        ("label", "1", "column 'label' contains numbers, which name no class"),
        ("label", "7", "column 'label' contains numbers, which name no class"),
        (
            "label,striped",
            "dog,1",
            "the tags could be in column 'label' or 'striped': call the right one 'tags'",
        ),
        ("label,category", "dog,animal", "the tags could be in column 'label' or 'category'"),
        (
            "width",
            "500",
            "nor one column per class, but other data in column 'width': call the column that contains the tags 'tags'",
        ),
    ],
)
def test_unclear_columns_are_refused(folder: Path, header: str, cells: str, words: str) -> None:
    file = write(folder / "list.csv", f"file_name,{header}", f"a.jpg,{cells}", f"b.jpg,{cells}")
    (problem,) = problems_of(file)
    assert (problem.kind, problem.line) == ("malformed_file", 1)
    assert words in problem.message


def test_a_class_may_be_called_label_if_it_is_chosen(folder: Path) -> None:
    file = write(folder / "wide.csv", "file_name,label,index", "a.jpg,1,1", "b.jpg,0,1")
    assert open_dataset(file, classes=["index", "label"]).labels.tolist() == [[1, 1], [1, -1]]


@pytest.mark.parametrize("labels", ["tags", "dog"])
@pytest.mark.parametrize(
    ("header", "cells", "splits"),
    [
        ("is_val", ["True", "False", "0"], ["val", "train", "train"]),
        ("is_valid", ["1", "0", ""], ["valid", "train", None]),
        ("is_train", ["0", "1", "1"], ["val", "train", "train"]),
        ("is_val,is_test", ["1,0", "0,1", "0,0"], ["val", "test", "train"]),
        ("set", ["val", "train", "nan"], ["val", "train", None]),
    ],
)
def test_columns_that_define_the_split(
    folder: Path,
    labels: str,
    header: str,
    cells: list[str],
    splits: list[str | None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [f"{name}.jpg,1,{cell}" for name, cell in zip("abc", cells, strict=True)]
    file = write(folder / "list.csv", f"file_name,{labels},{header}", *rows)
    data, messages = opened(file, caplog)
    assert data.classes == ("1" if labels == "tags" else "dog",)
    columns = " and ".join(map(repr, header.split(",")))
    assert messages == [f"the split of each image is read from column {columns}"]
    for split in {split for split in splits if split is not None}:
        expected = [f"{name}.jpg" for name, each in zip("abc", splits, strict=True) if each == split]
        assert names_of(open_dataset(file, split=split)) == expected


def test_a_flag_is_no_class_next_to_a_split(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = ["a.jpg,1,0,val", "b.jpg,0,1,train", "c.jpg,1,1,train"]
    file = write(folder / "wide.csv", "file_name,dog,is_val,split", *rows)
    data, messages = opened(file, caplog, split="train")
    assert (names_of(data), data.classes) == (["b.jpg", "c.jpg"], ("dog",))
    assert messages == ["left out as no class: column 'is_val'"]


def test_minus_one_with_zero_and_empty_cells_has_to_be_explained(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    readings: list[tuple[MinusOne, list[int]]] = [("absent", [1, 0, -1, 0]), ("unknown", [1, -1, 0, 0])]
    images(folder, "d.jpg")
    file = write(folder / "wide.csv", "file_name,dog", "a.jpg,1", "b.jpg,0", "c.jpg,-1", "d.jpg,")
    with pytest.raises(DatasetError, match=r"column 'dog' contains -1, 0 and empty cells") as caught:
        open_dataset(file)
    assert caught.value.parameter == "minus_one"
    for minus_one, labels in readings:
        data, messages = opened(file, caplog, checks=DatasetChecks(minus_one=minus_one))
        assert data.labels[:, 0].tolist() == labels
        assert messages == []


def test_the_usual_reading_of_minus_one_is_said_if_there_are_zeros(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(folder / "wide.csv", "file_name,dog", "a.jpg,1", "b.jpg,0", "c.jpg,-1")
    data, (message,) = opened(file, caplog)
    assert data.labels[:, 0].tolist() == [1, 0, -1]
    assert message.startswith("-1 is read as absent and 0 as unknown")
    unknown = DatasetChecks(minus_one="unknown")
    assert open_dataset(file, checks=unknown).labels[:, 0].tolist() == [1, -1, 0]
    write(file, "file_name,dog", "a.jpg,1", "b.jpg,", "c.jpg,-1")
    data, messages = opened(file, caplog)
    assert (data.labels[:, 0].tolist(), messages) == ([1, 0, -1], [])


def test_minus_one_must_be_valid_and_apply(folder: Path) -> None:
    with pytest.raises(FreelocError, match="minus_one is 'maybe': choose one of absent, unknown"):
        DatasetChecks(minus_one="maybe")  # type: ignore[arg-type]
    images(folder, "pets/dog/a.jpg")
    write(folder / "tags.jsonl", '{"file_name": "a.jpg", "tags": "dog"}')
    write(folder / "JPEGImages" / "none")
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    for path, format_ in ((folder / "pets", "folders"), (folder, "voc"), (folder / "tags.jsonl", "auto")):
        with pytest.raises(FreelocError, match="minus_one applies only to") as caught:
            open_dataset(path, format=format_, checks=DatasetChecks(minus_one="absent"))
        assert caught.value.parameter == "minus_one"

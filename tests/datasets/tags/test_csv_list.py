"""Tag lists as CSV."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.datasets import DatasetChecks, open_dataset
from freeloc.datasets.problems import Problem
from freeloc.errors import FreelocError
from tests.datasets.tags.tag_lists import (
    CELL_TAGS,
    TAGS,
    check_round_trip,
    images,
    names_of,
    problems_of,
    rows_of,
    write,
)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_with_a_column_of_tags(tmp_path: Path, delimiter: str, encoding: str) -> None:
    images(tmp_path, "b.png", "in/a.jpg", "c.jpg", "d.jpg")
    rows = [
        ["split", " file_name", "tags", "note", "unknown_tags"],
        ["", "b.png", "dog | grüne Wiese ; dog", "x", ""],
        ["", " in/a.jpg ", "cat", "", "dog,"],
        ["", "c.jpg", "", "", ""],
        ["", "", "", "", ""],
        ["", "d.jpg", "Dog", "", "cat"],
    ]
    file = tmp_path / "tags.csv"
    with file.open("w", encoding=encoding, newline="") as out:
        csv.writer(out, delimiter=delimiter).writerows(rows)
    data = open_dataset(file, boxes=True)
    assert data.name == "tags"
    assert data.classes == ("Dog", "cat", "dog", "grüne Wiese")
    assert names_of(data) == ["b.png", "a.jpg", "c.jpg", "d.jpg"]
    assert data.labels.tolist() == [[-1, -1, 1, 1], [-1, 1, 0, -1], [-1] * 4, [1, 0, -1, -1]]
    assert data.labels.dtype == np.int8
    assert [sample.boxes for sample in data] == [None] * 4


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["1,0", "0,", "true,FALSE"], [[1, -1], [-1, 0], [1, -1]]),
        (["1.0,0.0", "+1,1", ",0"], [[1, -1], [1, 1], [0, -1]]),
        (["1,-1", "0,1", ",-1.0"], [[1, -1], [0, 1], [0, -1]]),
    ],
)
def test_wide_form_keeps_the_order_of_its_columns(
    tmp_path: Path, cells: list[str], labels: list[list[int]]
) -> None:
    images(tmp_path, "0.jpg", "1.jpg", "2.jpg")
    rows = [f"{row},{index}.jpg" for index, row in enumerate(cells)]
    data = open_dataset(write(tmp_path / "wide.csv", "zebra,dog,file_name", *rows))
    assert (data.classes, data.labels.tolist()) == (("zebra", "dog"), labels)
    turned = open_dataset(tmp_path / "wide.csv", classes=["dog", "zebra"])
    assert (turned.classes, turned.labels[:, ::-1].tolist()) == (("dog", "zebra"), labels)


def test_a_wide_minus_one_counts_outside_the_split_too(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "wide.csv", "file_name,split,dog", "a.jpg,train,-1", "b.jpg,val,0")
    assert open_dataset(file, split="val", skip_bad=True).labels.tolist() == [[0]]


def test_wrong_rows_are_named_together(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    file = write(
        tmp_path / "tags.csv",
        "file_name,tags,unknown_tags",
        'a.jpg,"dog,\ncat",',
        "gone.jpg,dog,",
        "broken.jpg,dog,",
        "./a.jpg,dog,",
        "b.jpg,dog",
        ",dog,",
        "b.jpg,dog,dog",
        "c.jpg,dgo,cta",
    )
    missing, broken = tmp_path / "gone.jpg", tmp_path / "broken.jpg"
    assert problems_of(file, classes=["dog", "cat"]) == [
        Problem("missing_image", file, 4, f"image {missing} is missing"),
        Problem(
            "unreadable_image",
            file,
            5,
            f"image {broken} cannot be read: it is not an image in a supported format",
        ),
        Problem("duplicate_row", file, 6, "a.jpg is already listed on line 2"),
        Problem("malformed_row", file, 7, "the row has 2 cells, but the header has 3"),
        Problem("bad_value", file, 8, "the row has no file_name"),
        Problem("bad_value", file, 9, "'dog' is in both tags and unknown_tags"),
    ]
    data = open_dataset(file, classes=["dog", "cat"], skip_bad=True)
    # Other tags are no problem.
    wanted = (["a.jpg", "c.jpg"], 6, [[1, 1], [-1, -1]])
    assert (names_of(data), data.skipped, data.labels.tolist()) == wanted


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("filename,labels", ["a.jpg,dog", "b.jpg,cat|dog"]),
        ("Image Path;Tags", ["a.jpg;dog", "b.jpg;cat|dog"]),
        ("label\timg", ["dog\ta.jpg", "cat;dog\tb.jpg"]),
        ("id,image,class", ["1,a.jpg,dog", "2,b.jpg,cat|dog"]),
        ("image,mask,tags", ["a.jpg,a.png,dog", "b.jpg,b.png,cat|dog"]),
        ("document,tags", ["a.jpg,dog", "b.jpg,cat|dog"]),
        (",tags", ["a.jpg,dog", "b.jpg,cat|dog"]),
        ("file,cat,dog", ["a.jpg,0,1", "b.jpg,1,1"]),
    ],
)
def test_the_column_of_file_names_may_have_another_name(
    tmp_path: Path, header: str, rows: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    data = open_dataset(write(tmp_path / "tags.csv", header, *rows))
    assert (names_of(data), data.classes) == (["a.jpg", "b.jpg"], ("cat", "dog"))
    assert data.labels.tolist() == [[-1, 1], [1, 1]]
    assert "the file name of each image is read from column " in caplog.messages[0]


def test_a_class_called_image_is_no_column_of_file_names(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "tags.csv", "file,image,dog", "a.jpg,0,1", "b.jpg,1,0")
    assert open_dataset(file).classes == ("image", "dog")


def test_missing_images_that_exist_under_a_similar_name(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.PNG", "sub/c.jpg", "d.jpg", "d.png", "sub/e.jpeg")
    rows = ["a,dog", "B.png,dog", "c.jpg,dog", "d,dog", "e,cat", "f,cat"]
    file = write(tmp_path / "tags.csv", "file_name,tags", *rows)
    found = {problem.line: problem.message for problem in problems_of(file)}
    folder = "correct the name, or set images to its folder"
    assert found == {
        2: f"image {tmp_path / 'a'} is missing, but a.jpg exists: correct the name",
        3: f"image {tmp_path / 'B.png'} is missing, but b.PNG exists: correct the name",
        4: f"image {tmp_path / 'c.jpg'} is missing, but {tmp_path / 'sub' / 'c.jpg'} exists: {folder}",
        5: f"image {tmp_path / 'd'} is missing",
        6: f"image {tmp_path / 'e'} is missing, but {tmp_path / 'sub' / 'e.jpeg'} exists: {folder}",
        7: f"image {tmp_path / 'f'} is missing",
    }


def test_wrong_wide_values_are_named(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "wide.csv", "file_name,dog,cat", "a.jpg,1,2", "b.jpg,1,0", "c.jpg,1")
    assert problems_of(file) == [
        Problem("bad_value", file, 2, "'cat' is '2', not 0, 1, -1 or empty"),
        Problem("malformed_row", file, 4, "the row has 2 cells, but the header has 3"),
    ]


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ([], 1, "the header has no column 'file_name': it is empty"),
        (
            ["", "name,tags", "a,dog"],
            2,
            "the header has no column 'file_name', only 'name', 'tags': give that name to the column of the file",
        ),
        (
            ["a.jpg,dog", "b.jpg,cat"],
            1,
            "names an image instead of the columns: insert a line above it, such as ",
        ),
        (
            ["image,path,tags", "a,b,dog"],
            1,
            "could be in column 'image' or 'path': call the right one 'file_name'",
        ),
        (["one,two,tags", "a.jpg,b.jpg,dog"], 1, "could be in column 'one' or 'two': call the right one"),
        (["file_name,tags,tags"], 1, "the header has column 'tags' more than once"),
        (["file_name,split"], 1, "neither a column 'tags' nor one column per class"),
        (["file_name,dog,"], 1, "a column '', which is not allowed with one column per class"),
        (["file_name,dog,unknown_tags"], 1, "a column 'unknown_tags', which is not allowed with"),
        (["file_name,tags", 'a.jpg,"dog', "b.jpg,dog"], 2, "malformed CSV: unexpected end of data"),
        (["file_name,tags", "a.jpg,dog", 'b.jpg,"d"og'], 3, "malformed CSV: ',' expected after"),
    ],
)
def test_a_malformed_csv_is_named_with_its_line(
    tmp_path: Path, lines: list[str], line: int, words: str
) -> None:
    file = write(tmp_path / "tags.csv", *lines)
    (problem,) = problems_of(file, skip_bad=True)
    assert (problem.kind, problem.file, problem.line) == ("malformed_file", file, line)
    assert words in problem.message


def test_a_chosen_class_without_a_column_is_unknown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "wide.csv", "file_name,dog,cat,note", "a.jpg,1,0,nice", "b.jpg,0,1,")
    data = open_dataset(file, classes=["cow", "dog"])
    assert (data.classes, data.labels.tolist()) == (("cow", "dog"), [[0, 1], [0, -1]])
    assert caplog.messages == [
        f"{file} does not have the class 'cow': their labels are unknown",
        f"{file}: left out, because they are not among the classes: 'cat'",
    ]
    training = open_dataset(file, classes=["cow", "dog"], checks=DatasetChecks(for_training=True))
    assert (training.classes, training.labels.tolist()) == (("dog",), [[1], [-1]])
    assert f"{file} does not have the class 'cow': left out" in caplog.messages


def test_other_tags_are_named_once_and_no_chosen_class_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    file = write(
        tmp_path / "tags.csv",
        "file_name,tags,unknown_tags,split",
        "a.jpg,Dog|tree|sky,,train",
        "b.jpg,tree,sea,train",
        "c.jpg,dog,cat,val",
    )
    data = open_dataset(file, classes=["cat", "dog", "zebra"], split="train")
    # The whole list says which classes it speaks of: cat and dog, but not zebra.
    assert data.labels.tolist() == [[-1, -1, 0], [-1, -1, 0]]
    missing, left_out = caplog.messages
    assert missing == f"{file} does not have the class 'zebra': their labels are unknown"
    assert left_out == (
        f"{file}: left out, because they are not among the classes: 'tree' (2), 'Dog' (1), 'sea' (1), 'sky' (1); "
        "do 'dog' and 'Dog' mean the same?"
    )
    message = rf"{file} has none of the classes 'DOG' and 'gnu' \(did you mean 'dog'\?\), only 'Dog', 'cat', "
    with pytest.raises(FreelocError, match=message) as caught:
        open_dataset(file, classes=["DOG", "gnu"])
    assert caught.value.parameter == "classes"


def test_a_wide_column_that_is_not_chosen_is_left_out(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "wide.csv", "file_name,dog,cat,degrees,cow", "a.jpg,1,0,-1,1", "b.jpg,0,1,23,")
    data = open_dataset(file, classes=["cow", "dog"])
    assert (data.classes, data.labels.tolist()) == (("cow", "dog"), [[1, 1], [0, -1]])
    assert [problem.line for problem in problems_of(file)] == [3]


def test_a_wide_column_that_is_left_out_changes_no_other_label(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "wide.csv", "file_name,dog,cat", "a.jpg,1,-1", "b.jpg,0,1")
    assert open_dataset(file).labels[:, 0].tolist() == [1, 0]
    assert open_dataset(file, classes=["dog"]).labels.tolist() == [[1], [0]]


def test_a_class_column_on_every_image_can_be_left_out(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "wide.csv", "file_name,dog,cat", "a.jpg,1,0", "b.jpg,1,1")
    (problem,) = problems_of(file, checks=DatasetChecks(for_training=True))
    assert problem.message.endswith("add images without it, or choose classes without it")
    assert len(open_dataset(file, classes=["cat"], checks=DatasetChecks(for_training=True))) == 2


@settings(max_examples=50)
@given(rows_of(CELL_TAGS), st.sampled_from(",;|"), st.sampled_from(",;\t"), st.booleans())
def test_csv_round_trips(
    rows: list[tuple[list[str], list[str]]], separator: str, delimiter: str, quoted: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tags.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(
                out, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
            )
            writer.writerow(["tags", "file_name", "unknown_tags"])
            for index, (present, unknown) in enumerate(rows):
                (file.parent / f"{index}.jpg").touch()
                writer.writerow([separator.join(present), f"{index}.jpg", separator.join(unknown)])
        check_round_trip(file, rows)


# Names such as "split", "id" or "label" have a meaning of their own.
CLASS_COLUMNS = TAGS.map("a {}".format)


@settings(max_examples=50)
@given(st.data())
def test_wide_csv_round_trips(data: st.DataObject) -> None:
    names = data.draw(st.lists(CLASS_COLUMNS, min_size=1, max_size=4, unique=True))
    values = st.lists(st.sampled_from([1, 0, -1]), min_size=len(names), max_size=len(names))
    labels = data.draw(st.lists(values, min_size=1, max_size=5))
    zero = "0" if any(-1 in row for row in labels) else ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "wide.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow([*names, "file_name"])
            for index, row in enumerate(labels):
                (file.parent / f"{index}.jpg").touch()
                writer.writerow([*(str(value) if value else zero for value in row), f"{index}.jpg"])
        read = open_dataset(file, checks=DatasetChecks(decode=False))
    assert (read.classes, read.labels.tolist()) == (tuple(names), labels)

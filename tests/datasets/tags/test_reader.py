from __future__ import annotations

import csv
import hashlib
import json
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freeloc.datasets import DataProblems, Dataset, DatasetChecks, open_dataset
from freeloc.datasets.problems import Problem
from freeloc.errors import FreelocError


def images(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Every image has its own colour, so no two files are equal by chance.
        Image.new("RGB", (8, 6), tuple(zlib.crc32(os.fsencode(path)).to_bytes(4)[1:])).save(path)


def write(file: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
    return file


def names_of(data: Dataset) -> list[str]:
    return [sample.path.name for sample in data]


def problems_of(path: Path, **options: Any) -> list[Problem]:
    with pytest.raises(DataProblems) as caught:
        open_dataset(path, **options)
    return list(caught.value.problems)


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


def test_jsonl_with_lists_or_strings(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    file = write(
        tmp_path / "tags.jsonl",
        '{"file_name": "a.jpg", "tags": ["salt, pepper ", "dog"], "text": "a dog"}',
        "",
        '{"file_name": "b.jpg", "tags": "cat; dog", "unknown_tags": ["salt, pepper"]}',
        '{"file_name": "c.jpg", "tags": [], "split": null}',
        encoding="utf-8-sig",
    )
    data = open_dataset(file)
    assert data.classes == ("cat", "dog", "salt, pepper")
    assert data.labels.tolist() == [[-1, 1, 1], [1, 1, 0], [-1, -1, -1]]


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
        Problem("bad_value", file, 9, "'dog' is both in tags and in unknown_tags"),
        Problem("unknown_class", file, 10, "unknown class 'dgo'"),
        Problem("unknown_class", file, 10, "unknown class 'cta'"),
    ]
    data = open_dataset(file, classes=["dog", "cat"], skip_bad=True)
    assert (names_of(data), data.skipped, data.labels.tolist()) == (["a.jpg"], 7, [[1, 1]])


def test_wrong_json_rows_are_named_together(tmp_path: Path) -> None:
    images(tmp_path, *(f"{name}.jpg" for name in "abcd"))
    file = write(
        tmp_path / "tags.jsonl",
        '{"file_name": "a.jpg", "tags": ["dog"]}',
        '{"file_name": "b.jpg", "tags": ["dog"}',
        '["b.jpg", "dog"]',
        '{"tags": ["dog"]}',
        '{"file_name": 7, "tags": 7}',
        '{"file_name": "b.jpg"}',
        '{"file_name": "c.jpg", "tags": [1]}',
        '{"file_name": "d.jpg", "tags": ["dog"], "unknown_tags": null}',
        "[" * 200_000,
    )
    assert problems_of(file) == [
        Problem("malformed_row", file, 2, "malformed JSON: Expecting ',' delimiter at column 38"),
        Problem("malformed_row", file, 3, "the row is not a JSON object"),
        Problem("bad_value", file, 4, "the row has no file_name"),
        Problem("bad_value", file, 5, "file_name is 7, not a string; tags is 7, not a list of strings"),
        Problem("bad_value", file, 6, "the row has no tags"),
        Problem("bad_value", file, 7, "tags is [1], not a list of strings"),
        Problem("bad_value", file, 8, "unknown_tags is None, not a list of strings"),
        Problem("malformed_row", file, 9, "malformed JSON: it is nested too deeply"),
    ]
    data = open_dataset(file, skip_bad=True)
    assert (names_of(data), data.skipped) == (["a.jpg"], 8)


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
        (["", "name,tags", "a.jpg,dog"], 2, "the header has no column 'file_name', only 'name', 'tags'"),
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


@pytest.mark.parametrize("name", ["tags.csv", "tags.jsonl"])
def test_a_list_that_is_no_text_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"file_name,tags\n\xff")
    (problem,) = problems_of(file)
    assert (problem.kind, problem.file, problem.line) == ("malformed_file", file, 2)


def test_wide_columns_and_chosen_classes_must_agree(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path / "wide.csv", "file_name,dog,cat", "a.jpg,1,0")
    assert problems_of(file, classes=["dog", "cow"], skip_bad=True) == [
        Problem("bad_value", file, 1, "there is no column for class 'cow'"),
    ]


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


def test_a_class_without_a_image_matters_for_training_only(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "a.jpg,dog", "gone.jpg,cat", "b.jpg,dog")
    options = {"classes": ["cow", "dog", "cat"]}
    assert [problem.kind for problem in problems_of(file, **options)] == ["missing_image"]
    told = problems_of(file, **options, checks=DatasetChecks(for_training=True))
    assert [(problem.kind, problem.line) for problem in told] == [
        ("empty_class", None),
        ("missing_image", 3),
    ]
    left = problems_of(file, **options, checks=DatasetChecks(for_training=True), skip_bad=True)
    assert [problem.message.split()[1] for problem in left if problem.kind == "empty_class"] == [
        "'cow'",
        "'cat'",
    ]


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
    with pytest.raises(FreelocError, match=r"no image of the split 'test': it has train \(2\), val \(2\)"):
        open_dataset(file, split="test")


def test_a_list_without_tags_gives_nothing_to_work_on(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "a.jpg,")
    with pytest.raises(FreelocError, match="has no classes: add tags to its images"):
        open_dataset(file)
    assert open_dataset(file, classes=["dog"]).labels.tolist() == [[-1]]


def test_a_list_without_splits_says_so(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "a.jpg,dog")
    with pytest.raises(FreelocError, match="no image of the split 'val': it has no splits at all"):
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
    with pytest.raises(FreelocError, match=r"has both metadata.csv and metadata.jsonl: give the one to read"):
        open_dataset(tmp_path)


def test_wide_metadata_of_two_splits_must_agree(tmp_path: Path) -> None:
    images(tmp_path, "train/a.jpg", "val/b.jpg")
    write(tmp_path / "train" / "metadata.csv", "file_name,dog,cat", "a.jpg,1,0")
    val = write(tmp_path / "val" / "metadata.csv", "file_name,cat", "b.jpg,1")
    assert problems_of(tmp_path) == [Problem("bad_value", val, 1, "there is no column for class 'dog'")]


def test_one_broken_list_of_two_stops_and_both_report(tmp_path: Path) -> None:
    images(tmp_path, "val/b.jpg")
    train = write(tmp_path / "train" / "metadata.csv", "name", "a.jpg")
    val = write(tmp_path / "val" / "metadata.csv", "file_name,tags", "b.jpg,dog", "gone.jpg,dog")
    for split, lines in (
        (None, [(train, 1), (val, 3)]),
        ("val", [(train, 1), (val, 3)]),
        ("train", [(train, 1)]),
    ):
        told = problems_of(tmp_path, split=split, skip_bad=True)
        assert [(problem.file, problem.line) for problem in told] == lines


def test_a_folder_for_each_class(tmp_path: Path) -> None:
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
    told = problems_of(tmp_path, classes=["dog"])
    assert [(problem.kind, problem.file, problem.line) for problem in told] == [
        ("unknown_class", tmp_path / "cat" / "b.jpg", None),
        ("unknown_class", broken, None),
        ("unreadable_image", broken, None),
    ]


def test_class_folders_hold_no_folders_and_take_no_images(tmp_path: Path) -> None:
    images(tmp_path, "dog/a.jpg")
    with pytest.raises(FreelocError, match="a folder of images can only be given for a list of file names"):
        open_dataset(tmp_path, images=tmp_path)
    (tmp_path / "dog" / "puppies").mkdir()
    with pytest.raises(FreelocError, match="puppies is a folder inside a class folder"):
        open_dataset(tmp_path)


def test_a_folder_without_a_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(FreelocError, match="train is not a tag list; freeloc looked for tag lists: a file"):
        open_dataset(tmp_path, format="tags")


def test_a_class_on_every_image_matters_for_training_only(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags,unknown_tags", "a.jpg,dog|cat,", "b.jpg,cat,dog")
    assert len(open_dataset(file)) == 2
    message = (
        "is on every image: add images without it, or remove it from the tag list, "
        "and from the chosen classes"
    )
    for skip_bad in (False, True):
        assert problems_of(file, checks=DatasetChecks(for_training=True), skip_bad=skip_bad) == [
            Problem("full_class", file, None, f"class 'cat' {message}"),
            Problem("full_class", file, None, f"class 'dog' {message}"),
        ]
    with file.open("a") as out:
        out.write("c.jpg,dog,\n")
    # The image without a cat is there; that without a dog is still missing.
    assert [
        problem.message.split()[1] for problem in problems_of(file, checks=DatasetChecks(for_training=True))
    ] == ["'dog'"]


def test_a_class_column_on_every_image_can_be_left_out(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "wide.csv", "file_name,dog,cat", "a.jpg,1,0", "b.jpg,1,1")
    (problem,) = problems_of(file, checks=DatasetChecks(for_training=True))
    assert problem.message.endswith("add images without it, or choose classes without it")
    assert len(open_dataset(file, classes=["cat"], checks=DatasetChecks(for_training=True))) == 2


def test_a_class_is_not_full_because_of_a_image_that_is_left_out(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(tmp_path / "tags.csv", "file_name,tags", "a.jpg,dog", "gone.jpg,")
    assert [problem.kind for problem in problems_of(file, checks=DatasetChecks(for_training=True))] == [
        "missing_image"
    ]
    told = problems_of(file, checks=DatasetChecks(for_training=True), skip_bad=True)
    assert [problem.kind for problem in told] == ["full_class", "missing_image"]


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("['dog', 'cat']", {"dog", "cat"}),
        ('["dog", " cat "]', {"dog", "cat"}),
        ("['salt, pepper']", {"salt, pepper"}),
        ('["salt|pepper", "dog"]', {"salt|pepper", "dog"}),
        ("['it\\'s', \"it's\", '\\d']", {"it's", r"\d"}),
        ("[]", set()),
        ("[dog", {"[dog"}),
    ],
)
def test_a_cell_may_be_a_list_as_pandas_writes_it(tmp_path: Path, cell: str, tags: set[str]) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = tmp_path / "tags.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(
            [["file_name", "tags", "unknown_tags"], ["a.jpg", cell, ""], ["b.jpg", "x", cell]]
        )
    table = file.with_suffix(".jsonl")
    records = [
        {"file_name": "a.jpg", "tags": cell},
        {"file_name": "b.jpg", "tags": "x", "unknown_tags": cell},
    ]
    write(table, *map(json.dumps, records))
    for data in map(open_dataset, (file, table)):
        assert set(data.classes) == tags | {"x"}
        for sample, value in zip(data, (1, 0)):
            assert {name for name, label in zip(data.classes, sample.labels) if label == value} == tags


@pytest.mark.parametrize(
    "cell",
    [
        "[dog, cat]",
        "['dog' 'cat']",
        "['dog', 1]",
        "['']",
        "['dog'] | ['cat']",
        "[b'dog']",
        "[nan]",
        "[" * 99 + "]" * 99,
    ],
)
def test_other_things_in_brackets_are_no_tags(tmp_path: Path, cell: str) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = tmp_path / "tags.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(
            [["file_name", "tags", "unknown_tags"], ["a.jpg", cell, ""], ["b.jpg", "x", cell]]
        )
    first, second = problems_of(file)
    assert (first.kind, first.line, second.kind, second.line) == ("bad_value", 2, "bad_value", 3)
    for problem, column in ((first, "tags"), (second, "unknown_tags")):
        assert problem.message.startswith(f"{column} is ")
        assert problem.message.endswith(", not a list of strings")
        assert cell[:4] in problem.message


def test_numbers_of_too_many_digits_are_malformed(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(
        tmp_path / "tags.jsonl",
        '{"file_name": "a.jpg", "tags": "dog"}',
        f'{{"file_name": "b.jpg", "tags": "dog", "width": {"9" * 5000}}}',
    )
    message = "malformed JSON: a number in it has too many digits"
    assert problems_of(file) == [Problem("malformed_row", file, 2, message)]


def test_tags_that_utf8_cannot_write_are_told(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    file = write(
        tmp_path / "tags.jsonl",
        r'{"file_name": "a.jpg", "tags": ["d\ud800g"]}',
        r'{"file_name": "b.jpg", "tags": "d\ud800g"}',
        r'{"file_name": "c.jpg", "tags": "dog"}',
        r'{"file_name": "\ud800.jpg", "tags": "dog"}',
    )
    told = problems_of(file)
    assert [(problem.kind, problem.line) for problem in told] == [
        ("bad_value", 1),
        ("bad_value", 2),
        ("missing_image", 4),
    ]
    assert told[0].message == r"tags contains 'd\ud800g', which UTF-8 cannot encode"
    data = open_dataset(file, skip_bad=True)
    assert (data.classes, data.skipped) == (("dog",), 3)


def latin(folder: Path, name: str) -> Path:
    """A file name in another encoding, or a skipped test where the system has no such names."""
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


def test_folder_names_that_are_not_utf8_are_told_as_classes_and_printed_as_names(tmp_path: Path) -> None:
    data = latin(tmp_path, "data\xe9/dog/a.jpg").parents[1]
    assert open_dataset(data).name == "data?"
    (data / "dog").rename(data / os.fsdecode(b"d\xe9g"))
    (problem,) = problems_of(data, skip_bad=True)
    assert problem.kind == "bad_value"
    assert problem.message == r"the class name 'd\udce9g' is not UTF-8 text: rename the class"


def test_names_may_be_written_the_way_of_windows(tmp_path: Path) -> None:
    images(tmp_path, "dog/1.jpg", "train/2.jpg")
    file = write(
        tmp_path / "tags.csv", "file_name,tags", "dog\\1.jpg,dog", "train\\2.jpg,dog", "train\\3.jpg,dog"
    )
    missing = tmp_path / "train\\3.jpg"
    assert problems_of(file) == [Problem("missing_image", file, 4, f"image {missing} is missing")]
    data = open_dataset(file, skip_bad=True)
    assert [sample.path for sample in data] == [tmp_path / "dog" / "1.jpg", tmp_path / "train" / "2.jpg"]
    assert [problem.line for problem in problems_of(file, split="train")] == [4]


def test_pictures_of_other_kinds_and_dead_links_in_class_folders_are_told(tmp_path: Path) -> None:
    images(tmp_path, "dog/a.jpg", "cat/b.jpg")
    heic, link = tmp_path / "cat" / "c.HEIC", tmp_path / "dog" / "d.jpg"
    heic.write_bytes(b"picture")
    (tmp_path / "cat" / "notes.txt").touch()
    (tmp_path / "cat" / ".hidden.heic").touch()
    for folder in ("dog", "cat"):
        (tmp_path / folder / "d.jpg").symlink_to(tmp_path / "gone.jpg")
    for decode in (True, False):
        assert problems_of(tmp_path, checks=DatasetChecks(decode=decode)) == [
            Problem(
                "unreadable_image",
                heic,
                None,
                "images of this type are not supported: convert it to JPEG",
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


def test_a_class_folder_of_other_pictures_only_is_not_empty(tmp_path: Path) -> None:
    images(tmp_path, "dog/a.jpg")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "b.heic").write_bytes(b"picture")
    told = problems_of(tmp_path, checks=DatasetChecks(for_training=True))
    assert [problem.kind for problem in told] == ["unreadable_image"]


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip)
TAGS = NAMES.filter(bool)
CELL_TAGS = TAGS.filter(lambda tag: not set(tag) & set(",;|["))


def rows_of(tags: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[list[str], list[str]]]]:
    row = st.tuples(st.lists(tags, max_size=3, unique=True), st.lists(tags, max_size=2, unique=True))
    disjoint = row.map(lambda pair: (pair[0], [tag for tag in pair[1] if tag not in pair[0]]))
    # A list without any tag has no classes and is refused; that has its own test.
    return st.lists(disjoint, min_size=1, max_size=5).filter(lambda rows: any(map(any, rows)))


def check_round_trip(file: Path, rows: list[tuple[list[str], list[str]]]) -> None:
    data = open_dataset(file, checks=DatasetChecks(decode=False))
    assert data.classes == tuple(sorted({tag for row in rows for tags in row for tag in tags}))
    read = [
        (
            {name for name, label in zip(data.classes, sample.labels, strict=True) if label == 1},
            {name for name, label in zip(data.classes, sample.labels, strict=True) if label == 0},
        )
        for sample in data
    ]
    assert read == [(set(present), set(unknown)) for present, unknown in rows]


@settings(deadline=None, max_examples=50)
@given(rows_of(CELL_TAGS), st.sampled_from(",;|"), st.sampled_from(",;\t"), st.booleans())
def test_csv_goes_there_and_back(
    rows: list[tuple[list[str], list[str]]], separator: str, delimiter: str, quoted: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tags.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
            writer = csv.writer(out, delimiter=delimiter, quoting=quoting)
            writer.writerow(["tags", "file_name", "unknown_tags"])
            for index, (present, unknown) in enumerate(rows):
                (file.parent / f"{index}.jpg").touch()
                writer.writerow([separator.join(present), f"{index}.jpg", separator.join(unknown)])
        check_round_trip(file, rows)


@settings(deadline=None, max_examples=50)
@given(rows_of(TAGS), st.booleans())
def test_jsonl_goes_there_and_back(rows: list[tuple[list[str], list[str]]], ascii_only: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tags.jsonl"
        records = []
        for index, (present, unknown) in enumerate(rows):
            (file.parent / f"{index}.jpg").touch()
            records.append({"file_name": f"{index}.jpg", "tags": present, "unknown_tags": unknown})
        lines = (json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in records)
        file.write_text("".join(lines), encoding="utf-8")
        check_round_trip(file, rows)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_wide_csv_goes_there_and_back(data: st.DataObject) -> None:
    names = data.draw(
        st.lists(TAGS.filter(lambda name: name not in FIXED), min_size=1, max_size=4, unique=True)
    )
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


FIXED = {"file_name", "tags", "split", "unknown_tags"}

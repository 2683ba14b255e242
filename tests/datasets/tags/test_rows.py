"""Tags in cells."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from freeloc.datasets import open_dataset
from tests.datasets.tags.tag_lists import (
    images,
    problems_of,
    write,
)


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
def test_other_text_in_brackets_is_a_problem(tmp_path: Path, cell: str) -> None:
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


def test_tags_that_utf8_cannot_encode_are_reported(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    file = write(
        tmp_path / "tags.jsonl",
        r'{"file_name": "a.jpg", "tags": ["d\ud800g"]}',
        r'{"file_name": "b.jpg", "tags": "d\ud800g"}',
        r'{"file_name": "c.jpg", "tags": "dog"}',
        r'{"file_name": "\ud800.jpg", "tags": "dog"}',
    )
    problems = problems_of(file)
    assert [(problem.kind, problem.line) for problem in problems] == [
        ("bad_value", 1),
        ("bad_value", 2),
        ("missing_image", 4),
    ]
    assert problems[0].message == r"tags contains 'd\ud800g', which UTF-8 cannot encode"
    data = open_dataset(file, skip_bad=True)
    assert (data.classes, data.skipped) == (("dog",), 3)

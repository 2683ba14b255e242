"""Tag lists as JSONL."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.datasets import open_dataset
from freeloc.datasets.problems import Problem
from tests.datasets.tags.tag_lists import (
    TAGS,
    check_round_trip,
    images,
    names_of,
    problems_of,
    rows_of,
    write,
)


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


def test_null_and_nan_are_missing_values(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(
        tmp_path / "tags.jsonl",
        '{"file_name": "a.jpg", "tags": ["dog"], "unknown_tags": null, "split": NaN}',
        '{"file_name": "b.jpg", "tags": [], "unknown_tags": NaN, "split": null}',
    )
    assert open_dataset(file).labels.tolist() == [[1], [-1]]
    file.write_text(file.read_text().replace("[]", "null"))
    assert problems_of(file) == [Problem("bad_value", file, 2, "the row has no tags")]


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
        '{"file_name": "d.jpg", "tags": ["dog"], "unknown_tags": 7}',
        "[" * 200_000,
    )
    assert problems_of(file) == [
        Problem("malformed_row", file, 2, "malformed JSON: Expecting ',' delimiter at column 38"),
        Problem("malformed_row", file, 3, "the row is not a JSON object"),
        Problem("bad_value", file, 4, "the row has no file_name"),
        Problem("bad_value", file, 5, "file_name is 7, not a string; tags is 7, not a list of strings"),
        Problem("bad_value", file, 6, "the row has no tags"),
        Problem("bad_value", file, 7, "tags is [1], not a list of strings"),
        Problem("bad_value", file, 8, "unknown_tags is 7, not a list of strings"),
        Problem("malformed_row", file, 9, "malformed JSON: it is nested too deeply"),
    ]
    data = open_dataset(file, skip_bad=True)
    assert (names_of(data), data.skipped) == (["a.jpg"], 8)


def test_fields_with_other_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(
        tmp_path / "tags.jsonl",
        '{"image": "a.jpg", "labels": ["dog"], "width": 8}',
        '{"image": "b.jpg", "labels": "cat|dog"}',
    )
    data = open_dataset(file)
    assert (names_of(data), data.labels.tolist()) == (["a.jpg", "b.jpg"], [[-1, 1], [1, 1]])
    assert caplog.messages == [
        f"{file}: the field 'image' is read as 'file_name'",
        f"{file}: the field 'labels' is read as 'tags'",
    ]
    write(file, '{"picture": 7, "tags": "dog"}')
    (problem,) = problems_of(file)
    assert problem.message == (
        "the objects have no field 'file_name', only 'picture', 'tags': give that name to the field of the file names"
    )


def test_numbers_of_too_many_digits_are_malformed(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    file = write(
        tmp_path / "tags.jsonl",
        '{"file_name": "a.jpg", "tags": "dog"}',
        f'{{"file_name": "b.jpg", "tags": "dog", "width": {"9" * 5000}}}',
    )
    message = "malformed JSON: a number has too many digits"
    assert problems_of(file) == [Problem("malformed_row", file, 2, message)]


@settings(max_examples=50)
@given(rows_of(TAGS), st.booleans())
def test_jsonl_round_trips(rows: list[tuple[list[str], list[str]]], ascii_only: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tags.jsonl"
        records = []
        for index, (present, unknown) in enumerate(rows):
            (file.parent / f"{index}.jpg").touch()
            records.append({"file_name": f"{index}.jpg", "tags": present, "unknown_tags": unknown})
        lines = (json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in records)
        file.write_text("".join(lines), encoding="utf-8")
        check_round_trip(file, rows)

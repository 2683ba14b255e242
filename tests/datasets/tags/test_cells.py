"""Tags in one cell."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from freeloc.datasets import open_dataset
from freeloc.datasets.tags.cells import check_tags, parse_tags
from freeloc.datasets.tags.rows import RowProblem
from tests.datasets.tags.tag_lists import images, problems_of, write


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("'dog'", ("dog",)),
        ("'dog', 'cat'", ("dog", "cat")),
        ("'dog, cat'", ("dog", "cat")),
        ("'salt, pepper' | 'dog'", ("salt, pepper", "dog")),
        ('"dog";"cat"', ("dog", "cat")),
        ("\u201cdog\u201d, \u2018cat\u2019", ("dog", "cat")),
        ("'it's', dog", ("it's", "dog")),
        ("it's", ("it's",)),
        ("('dog', 'cat')", ("dog", "cat")),
        ("('dog',)", ("dog",)),
        ("('dog')", ("dog",)),
        ("()", ()),
        ("{'dog', 'cat'}", ("dog", "cat")),
        ('{"dog"}', ("dog",)),
        ("set()", ()),
        ("dog\ncat, sea\r\n'salt, pepper'\n", ("dog", "cat", "sea", "salt, pepper")),
        ("['dog',\n 'cat']", ("dog", "cat")),
        ("{}", ()),
        ("frozenset({'dog'})", ("dog",)),
        ("array(['dog', 'cat'], dtype=object)", ("dog", "cat")),
        ("['dog', None]", ("dog",)),
        ('["dog", null]', ("dog",)),
        ("[\"'dog'\"]", ("dog",)),
        ("do\u200bg, cafe\u0301", ("dog", "caf\xe9")),
        ("dog\xa0,\xa0cat", ("dog", "cat")),
        ("dog (brown)", ("dog (brown)",)),
    ],
)
def test_quotes_and_lists_are_no_part_of_a_tag(cell: str, tags: tuple[str, ...]) -> None:
    problems: list[RowProblem] = []
    assert parse_tags(cell, "tags", problems) == tags
    assert problems == []


@pytest.mark.parametrize(
    "cell",
    [
        "'dog' 'cat'",
        "'dog",
        "(dog, cat)",
        "{dog,cat}",
        "{'dog': 1}",
        "('dog' 'cat')",
        "array(['dog' 'cat'])",
        "[1]",
    ],
)
def test_a_cell_that_may_be_read_in_two_ways_is_a_problem(cell: str) -> None:
    problems: list[RowProblem] = []
    assert parse_tags(cell, "tags", problems) == ()
    (problem,) = problems
    assert problem.kind == "bad_value"
    assert problem.message.startswith("tags is ")


@pytest.mark.parametrize("value", [None, float("nan"), [], [None], [float("nan")]])
def test_missing_values_are_no_tags(value: object) -> None:
    problems: list[RowProblem] = []
    assert check_tags(value, "tags", problems) == ()
    assert problems == []


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "NULL", "NA", "N/A", "<NA>", "['nan']", "none"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_words_for_a_missing_value_are_no_class(
    tmp_path: Path, word: str, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    rows = {
        "csv": ["file_name,tags", "a.jpg,dog", f"b.jpg,{word}", f"c.jpg,dog|{word.strip('[]')}"],
        "jsonl": [
            '{"file_name": "a.jpg", "tags": "dog"}',
            f'{{"file_name": "b.jpg", "tags": "{word}"}}',
            f'{{"file_name": "c.jpg", "tags": ["dog", "{word.strip("[]")}"]}}',
        ],
    }
    file = write(tmp_path / f"tags.{suffix}", *rows[suffix])
    with caplog.at_level(logging.WARNING, "freeloc.datasets"):
        data = open_dataset(file)
    assert (data.classes, data.labels.tolist()) == (("dog",), [[1], [-1], [1]])
    bare = word.strip("[]'")
    message = f"{file}: {bare!r} (2) is read as a missing tag; choose classes to make it a class"
    assert caplog.messages == [message]
    chosen = open_dataset(file, classes=["dog", bare])
    assert chosen.labels.tolist() == [[1, -1], [-1, 1], [1, 1]]


def test_spaces_around_quotes_do_not_make_another_class(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    file = write(
        tmp_path / "tags.csv", 'file_name, "tags"', 'a.jpg, "dog"', "b.jpg,dog", 'c.jpg,  "dog, cat"'
    )
    around = write(
        tmp_path / "around.csv",
        '"file_name" , "tags" ',
        '"a.jpg" , "dog"',
        'b.jpg, "dog"  ',
        "c.jpg,dog|cat ",
    )
    for data in map(open_dataset, (file, around)):
        assert (data.classes, data.labels.tolist()) == (("cat", "dog"), [[-1, 1], [-1, 1], [1, 1]])


def test_a_list_may_be_quoted_with_single_quotes(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = write(tmp_path / "tags.csv", "'file_name','tags'", "'a.jpg','dog, cat'", "'b.jpg','dog'")
    data = open_dataset(file)
    assert (data.classes, data.labels.tolist()) == (("cat", "dog"), [[1, 1], [-1, 1]])


def test_spellings_that_look_the_same_are_one_class(tmp_path: Path) -> None:
    images(tmp_path, *(f"{name}.jpg" for name in "abcde"))
    tags = ["caf\xe9", "cafe\u0301", "caf\xe9\u200b", "\ufeffcaf\xe9", "\xa0caf\xe9"]
    rows = [f"{name}.jpg,{tag}" for name, tag in zip("abcde", tags, strict=True)]
    file = write(tmp_path / "tags.csv", "file_name,tags", *rows)
    for classes in (None, ["cafe\u0301"]):
        data = open_dataset(file, classes=classes)
        assert (data.classes, data.labels.tolist()) == (("caf\xe9",), [[1]] * 5)
    split = write(
        tmp_path / "split.csv", "file_name,tags,split", "a.jpg,dog,train\ufeff", "b.jpg,dog,\xa0train"
    )
    assert len(open_dataset(split, split="train")) == 2
    wide = write(tmp_path / "wide.csv", "file_name,cafe\u0301", "a.jpg,1", "b.jpg,0")
    assert open_dataset(wide).classes == ("caf\xe9",)
    again = write(tmp_path / "again.csv", "file_name,cafe\u0301,caf\xe9", "a.jpg,1,0")
    (problem,) = problems_of(again)
    assert problem.message == "the header has column 'caf\xe9' more than once"


def test_a_byte_order_mark_inside_a_list_is_no_part_of_a_name(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = tmp_path / "tags.csv"
    file.write_text("\ufeff\ufefffile_name,tags\n\ufeffa.jpg,dog\nb.jpg,cat\n", encoding="utf-8")
    assert [sample.path.name for sample in open_dataset(file)] == ["a.jpg", "b.jpg"]
    file = tmp_path / "tags.jsonl"
    lines = [
        '{"file_name": "a.jpg", "tags": ["dog"]}',
        '\ufeff{"file_name": "b.jpg", "tags": ["cat"]}',
        "\ufeff",
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert len(open_dataset(file)) == 2

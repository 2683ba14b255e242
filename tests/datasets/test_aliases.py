"""Aliases of classes: both layouts, chains, and everything that contradicts itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import DataProblems
from freeloc.datasets.aliases import read_aliases
from freeloc.errors import ConfigurationError, MissingFileError
from tests.datasets.tags.tag_lists import write

EXPECTED = {"puppy": "dog", "hound": "dog", "salt, pepper": "spice", "todo": ""}


@pytest.mark.parametrize(
    "lines",
    [
        ["tag,class", "puppy,dog", "hound,dog", '"salt, pepper",spice', "todo,"],
        ["puppy,dog", "hound,dog", '"salt, pepper",spice', "todo,"],
        ["Class;note;Tag", "dog;;puppy", "dog;old;hound", "spice;;salt, pepper", ";;todo"],
        ["\ufefftag\tclass", "puppy\t dog", "hound\tdog", "", "salt, pepper\tspice", "todo\t"],
    ],
)
def test_a_csv_file_has_two_columns(tmp_path: Path, lines: list[str]) -> None:
    assert read_aliases(write(tmp_path / "aliases.csv", *lines)) == EXPECTED


def test_a_json_file_and_a_dictionary_list_the_other_names_of_each_class(tmp_path: Path) -> None:
    text = '{"dog": ["puppy", "hound", "dog"], "spice": ["salt, pepper"], "": ["todo"]}'
    assert read_aliases(write(tmp_path / "aliases.json", text)) == EXPECTED
    assert read_aliases({"dog": ["puppy", "hound"], "spice": ("salt, pepper",), "": ["todo"]}) == EXPECTED


def test_names_are_read_in_their_usual_spelling(tmp_path: Path) -> None:
    file = write(tmp_path / "aliases.csv", "cafe\u0301\u200b, caf\xe9\xa0bar ")
    assert read_aliases(file) == {"caf\xe9": "caf\xe9 bar"}


def test_aliases_of_aliases_are_followed(tmp_path: Path) -> None:
    file = write(tmp_path / "aliases.csv", "whelp,puppy", "puppy,dog", "dog,animal", "junk,todo", "todo,")
    assert read_aliases(file) == {
        "whelp": "animal",
        "puppy": "animal",
        "dog": "animal",
        "junk": "",
        "todo": "",
    }


def test_case_counts_unless_it_is_folded(tmp_path: Path) -> None:
    file = write(tmp_path / "aliases.csv", "Puppy,Dog", "puppy,Dog", "PUPPY,dog", "DOG,Dog")
    assert read_aliases(file) == {"Puppy": "Dog", "puppy": "Dog", "PUPPY": "dog", "DOG": "Dog"}
    assert read_aliases(file, fold_case=True) == {"puppy": "Dog"}


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (["puppy,dog", "puppy,cat"], [(2, "bad_value", "an alias of 'cat', but of 'dog' on line 1: choose")]),
        (["puppy,dog", "puppy,"], [(2, "bad_value", "an alias of no class, but of 'dog' on line 1")]),
        (["puppy,dog", "puppy,dog"], [(2, "duplicate_row", "'puppy' is already listed on line 1: remove")]),
        (["a,b", "b,c", "c,a", "d,a"], [(3, "bad_value", "'a' and 'b' and 'c' are aliases of each other")]),
        (["a,b", "b,a", "x,y", "y,x"], [(2, "bad_value", "'a' and 'b'"), (4, "bad_value", "'x' and 'y'")]),
        (
            ["puppy"],
            [(1, "malformed_row", "the row has 1 cell: write a tag and its class, such as puppy,dog")],
        ),
        (["a,b,c"], [(1, "malformed_row", "the row has 3 cells: write a tag")]),
        (["tag,class,note", "a,b"], [(2, "malformed_row", "the row has 2 cells, but the header has 3")]),
        (["a,b", ",dog"], [(2, "bad_value", "the row has no tag: write a tag and its class")]),
        (['"a,b'], [(1, "malformed_file", "malformed CSV")]),
        (
            ["puppy,dog", "puppy,cat", "a,b,c", ",d", "x,y", "y,x"],
            [(2, "bad_value", ""), (3, "malformed_row", ""), (4, "bad_value", ""), (6, "bad_value", "")],
        ),
    ],
)
def test_all_problems_of_a_csv_file_are_reported_together(
    tmp_path: Path, lines: list[str], problems: list[tuple[int, str, str]]
) -> None:
    file = write(tmp_path / "aliases.csv", *lines)
    with pytest.raises(DataProblems) as caught:
        read_aliases(file)
    found = caught.value.problems
    assert [(problem.file, problem.line, problem.kind) for problem in found] == [
        (file, line, kind) for line, kind, _ in problems
    ]
    for problem, (_, _, text) in zip(found, problems, strict=True):
        assert text in problem.message
    assert "leaving images out does not help" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"dog": ["puppy"], "dog": ["hound"]}', "the class 'dog' is listed twice"),
        ('{"dog": ["puppy"], "cat": ["puppy"]}', "'puppy' is an alias of 'cat', but of 'dog'"),
        (
            '{"dog": "puppy"}',
            r"'dog' has 'puppy', not a list of its other names: write \{'dog': \['puppy'\]\}",
        ),
        ('{"dog": [1]}', r"'dog' has \[1\], not a list of its other names"),
        ('{"dog": [" "]}', "'dog' has an empty name: remove it"),
        ('{"dog": ["\\ud800"]}', r"'\\ud800' cannot be encoded as UTF-8"),
        ('["dog"]', "the file contains no object"),
        ('{"dog": [', "malformed JSON"),
        ("[" * 100_000, "malformed JSON"),
    ],
)
def test_problems_of_a_json_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataProblems, match=message):
        read_aliases(write(tmp_path / "aliases.json", text))


@pytest.mark.parametrize(
    "source", [{"dog": ["puppy"], "cat": ["puppy"]}, {"dog": "puppy"}, {"a": ["b"], "b": ["a"]}, {1: ["a"]}]
)
def test_problems_of_a_dictionary(source: Mapping[Any, Sequence[str]]) -> None:
    with pytest.raises(ConfigurationError, match="aliases: ") as caught:
        read_aliases(source)
    assert caught.value.parameter == "aliases"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        MissingFileError, match=r"no such file or folder: .*check the path of the aliases"
    ) as caught:
        read_aliases(tmp_path / "gone.csv")
    assert caught.value.parameter == "aliases"
    (tmp_path / "latin.csv").write_bytes("café,bar\n".encode("latin-1"))
    with pytest.raises(DataProblems, match="latin.csv:1: the text is not UTF-8"):
        read_aliases(tmp_path / "latin.csv")
    assert read_aliases(write(tmp_path / "empty.csv")) == {}

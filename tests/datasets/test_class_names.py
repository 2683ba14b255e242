"""Class names that look alike."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets import DatasetChecks, open_dataset
from freeloc.datasets.class_names import clean_name, joined_names, misspelled_names, similar_names
from tests.datasets.tags.tag_lists import images, write


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cafe\u0301", "caf\xe9"),
        ("\ufeffdog\u200b", "dog"),
        ("do\u200dg", "dog"),
        ("hot\xa0dog\u2003", "hot dog"),
        ("\u202edog\u202c", "dog"),
        ("do\xadg", "dog"),
        ("hot\ndog", "hot dog"),
        # In these, the joiner changes what is seen.
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("Dog  House", "Dog  House"),
        (" \u200b ", ""),
    ],
)
def test_a_name_has_one_spelling(text: str, name: str) -> None:
    assert clean_name(text) == name
    assert clean_name(name) == name


@pytest.mark.parametrize(
    "names",
    [
        ("dog", "Dog"),
        ("dog", "dogs"),
        ("hot dog", "hot_dog", "HotDogs"),
        ("caf\xe9", "cafe"),
        ("bus", "buses"),
        ("berry", "berries"),
        ("knife", "knives"),
        ("woman", "Women"),
        ("cat", "c\u0430t"),
        ("dog", "\uff44\uff4f\uff47"),
        ("Stra\xdfe", "STRASSE"),
    ],
)
def test_names_that_may_be_one_class_are_found(names: tuple[str, ...]) -> None:
    assert similar_names(["zebra", *names, "horse"]) == [names]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("bicycle dog", ("bicycle", "dog")),
        ("DOG_bicycle", ("dog", "bicycle")),
        ("dog/bicycle/dining table", ("dog", "bicycle", "dining table")),
        ("dog and bicycle", ("dog", "bicycle")),
        ("dog & dining table", ("dog", "dining table")),
        ("dog+dog", ("dog", "dog")),
    ],
)
def test_names_that_consist_of_others(name: str, parts: tuple[str, ...]) -> None:
    names = ["dog", name, "bicycle", "dining table", "table", "hot dog", "Dog"]
    assert joined_names(names) == {name: parts}


def test_other_names_are_not_similar() -> None:
    names = [
        "C",
        "C++",
        "C#",
        "glass",
        "grass",
        "bus",
        "us",
        "cat",
        "car",
        "train",
        "trains 2",
        "+",
        "-",
        "1",
        "10",
    ]
    # In Japanese, the mark distinguishes words.
    assert similar_names([*names, "\u304c\u304f", "\u304b\u304f"]) == []


def test_similar_classes_are_a_warning_for_training_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    rows = ("a.jpg,dog|Caf\xe9", "b.jpg,dogs|cafe", "c.jpg,cow", "d.jpg,")
    file = write(tmp_path / "tags.csv", "file_name,tags", *rows)
    assert len(open_dataset(file)) == 4
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING, "freeloc.datasets"):
        data = open_dataset(file, checks=DatasetChecks(for_training=True))
    assert data.classes == ("Caf\xe9", "cafe", "cow", "dog", "dogs")
    headline = "has classes that differ only in case, blanks, accents, similar letters or plural: are they one class?"
    assert caplog.messages == [f"{file} {headline}\n'Caf\xe9' and 'cafe'\n'dog' and 'dogs'"]


@pytest.mark.parametrize(
    ("rare", "frequent"),
    [
        ("zbera", "zebra"),
        ("Zbera", "zebra"),
        ("bicyle", "bicycle"),
        ("bicyccle", "bicycle"),
        ("elephent", "elephant"),
        ("bicycel", "bicycle"),
    ],
)
def test_a_rare_name_with_one_slip_is_misspelled(rare: str, frequent: str) -> None:
    names = {frequent: 10, "dog": 50, rare: 2, "sea": 1}
    assert misspelled_names(names) == {rare: frequent}
    assert misspelled_names(dict(reversed(names.items()))) == {rare: frequent}
    assert misspelled_names({**names, rare: 3}) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat", "car"),
        ("horse", "house"),
        ("boat", "goat"),
        ("train", "trains"),
        ("Zebra", "zebra"),
        ("berry", "berries"),
        ("room 12", "room 13"),
        ("room 12", "room 21"),
        ("year 2018", "year 201"),
        ("zebra", "brazen"),
        ("abcde", "bcdea"),
        ("plan", "plane"),
    ],
)
def test_other_words_and_plurals_and_numbers_are_not_misspelled(one: str, other: str) -> None:
    assert misspelled_names({one: 1, other: 100}) == {}


def test_the_most_frequent_of_several_names_is_meant() -> None:
    assert misspelled_names({"calibrate": 50, "celebrate": 100, "calebrate": 1}) == {"calebrate": "celebrate"}


@given(st.dictionaries(st.text("abc1", max_size=7), st.integers(1, 40), max_size=12))
def test_pairs_are_found_as_by_comparing_all(images: dict[str, int]) -> None:
    """Every pair is one edit apart, counted by the usual recursion, and no pair of long names is missed."""
    found = misspelled_names(images)
    for rare, frequent in found.items():
        assert edits(rare, frequent) == 1
        assert 5 * images[rare] <= images[frequent]
    for (rare, few), (frequent, many) in itertools.permutations(images.items(), 2):
        letters = not any(character.isdigit() for character in rare + frequent)
        if letters and len(rare) == len(frequent) == 7 and edits(rare, frequent) == 1:
            assert rare in found or 5 * few > many


def edits(one: str, other: str) -> int:
    """The distance of optimal string alignment."""
    table = {(row, -1): row + 1 for row in range(-1, len(one))} | {
        (-1, column): column + 1 for column in range(len(other))
    }
    for row, here in enumerate(one):
        for column, there in enumerate(other):
            best = min(
                table[row - 1, column] + 1,
                table[row, column - 1] + 1,
                table[row - 1, column - 1] + (here != there),
            )
            if row and column and here == other[column - 1] and one[row - 1] == there:
                best = min(best, table[row - 2, column - 2] + 1)
            table[row, column] = best
    return table[len(one) - 1, len(other) - 1]

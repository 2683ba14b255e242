"""Which keywords of several properties are tags."""

from __future__ import annotations

from freeloc.datasets.keywords.keyword_paths import KeywordPath, merge_keywords, split_flat, xmp_paths
from freeloc.datasets.keywords.xmp_packet import read_xmp
from tests.datasets.keywords.xmp_files import (
    apple_photos,
    darktable,
    digikam,
    lightroom,
    listed,
    packet,
)


def paths(data: bytes) -> set[KeywordPath]:
    found = xmp_paths(read_xmp(data))
    assert len(set(found)) == len(found)
    return set(found)


def test_every_program_yields_each_keyword_once() -> None:
    expected = {("Animals", "Dog"), ("sunset",)}
    assert paths(digikam("Animals/Dog", "sunset")) == expected
    assert paths(lightroom("Animals|Dog", "sunset")) == expected
    assert paths(darktable("Animals|Dog", "sunset")) == expected
    assert paths(apple_photos("Dog", "sunset")) == {("Dog",), ("sunset",)}


def test_the_first_property_with_levels_is_read_in_the_order_of_digikam() -> None:
    body = (
        listed("mediapro:CatalogSets", ["1|a"])
        + listed("lr:hierarchicalSubject", ["2|a"])
        + listed("MicrosoftPhoto:LastKeywordXMP", ["3/a"])
        + listed("digiKam:TagsList", ["4/a"], "Seq")
    )
    order = ["digiKam:TagsList", "MicrosoftPhoto:LastKeywordXMP", "lr:hierarchicalSubject"]
    assert paths(packet(body)) == {("4", "a")}
    for name, expected in zip(order, ("3", "2", "1"), strict=True):
        start, end = body.index(f"   <{name}>"), body.index(f"</{name}>") + len(f"</{name}>")
        body = body[:start] + listed(name, []) + body[end:]
        assert paths(packet(body)) == {(expected, "a")}


def test_flat_keywords_that_are_not_a_level_are_added() -> None:
    """A program that does not know the levels adds keywords to dc:subject alone."""
    data = packet(
        listed("digiKam:TagsList", ["Animals/Dog"], "Seq")
        + listed("dc:subject", ["Dog", "Animals", "Animals/Dog", "Animals|Dog", "sea"])
    )
    assert paths(data) == {("Animals", "Dog"), ("sea",)}


def test_listed_levels_above_a_keyword_are_no_keywords() -> None:
    data = packet(listed("lr:hierarchicalSubject", ["Places", "Places|France", "Places|France|Paris", "sea"]))
    assert paths(data) == {("Places", "France", "Paris"), ("sea",)}


def test_names_are_cleaned_and_empty_levels_left_out() -> None:
    data = packet(
        listed("digiKam:TagsList", ["/Animals/ Dog/", "//", "_Digikam_root_tag_/sea", "Cafe\u0301"], "Seq")
    )
    assert paths(data) == {("Animals", "Dog"), ("sea",), ("Caf\xe9",)}


def test_flat_keywords_have_levels_only_with_vertical_bars() -> None:
    assert split_flat(["AC/DC", "Birds|Gulls", " "]) == (("AC/DC",), ("Birds", "Gulls"), ())
    assert merge_keywords((), split_flat(["darktable|format|orf", "wedding"])) == (("wedding",),)

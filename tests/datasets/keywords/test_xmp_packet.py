"""XMP documents: lists of every kind, single keywords, and everything that is not a list of keywords."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.keywords.metadata_error import MetadataError
from freeloc.datasets.keywords.xmp_packet import CATEGORIES, FLAT, HIERARCHICAL, read_xmp
from tests.datasets.keywords.xmp_files import RDF, apple_photos, digikam, listed, packet

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)


def subjects(data: bytes) -> tuple[str, ...]:
    return read_xmp(data)[FLAT]


@pytest.mark.parametrize("kind", ["Bag", "Seq", "Alt"])
def test_lists_of_every_kind(kind: str) -> None:
    assert subjects(packet(listed("dc:subject", ["dog", "salt & pepper"], kind))) == ("dog", "salt & pepper")


@given(st.lists(TEXT.map(str.strip).filter(bool), max_size=4))
def test_any_text_is_read_back(keywords: list[str]) -> None:
    assert subjects(packet(listed("dc:subject", keywords))) == tuple(keywords)


def test_a_single_keyword_as_text_or_attribute() -> None:
    assert subjects(packet("<dc:subject> dog </dc:subject>")) == ("dog",)
    assert subjects(packet("", 'dc:subject="dog"')) == ("dog",)
    assert subjects(packet("<dc:subject><rdf:value>dog</rdf:value></dc:subject>")) == ("dog",)
    assert subjects(packet("<dc:subject/>")) == ()
    assert subjects(packet("<dc:subject><rdf:Bag/></dc:subject>")) == ()


def test_qualifiers_and_languages_of_keywords_do_not_matter() -> None:
    body = (
        "<dc:subject><rdf:Bag>"
        '<rdf:li xml:lang="x-default">sea</rdf:li>'
        '<rdf:li rdf:parseType="Resource"><rdf:value>dog</rdf:value><xmp:Label>x</xmp:Label></rdf:li>'
        "<rdf:li><rdf:Description><rdf:value>cat</rdf:value></rdf:Description></rdf:li>"
        "<rdf:li> </rdf:li></rdf:Bag></dc:subject>"
    )
    assert subjects(packet(body)) == ("sea", "dog", "cat")


def test_all_properties_are_found_whatever_their_prefix_case_and_final_slash() -> None:
    found = {name.name: keywords for name, keywords in read_xmp(digikam("Animals/Dog")).items()}
    assert found == {
        "digiKam:TagsList": ("Animals/Dog",),
        "MicrosoftPhoto:LastKeywordXMP": ("Animals/Dog",),
        "lr:hierarchicalSubject": ("Animals|Dog",),
        "mediapro:CatalogSets": ("Animals|Dog",),
        "dc:subject": ("Dog",),
    }
    other = digikam("Animals/Dog").replace(b"lr:h", b"a:H").replace(b"xmlns:lr", b"xmlns:a")
    assert read_xmp(other.replace(b"photo/1.0/", b"photo/1.0")).keys() == read_xmp(digikam("a")).keys()
    names = (*HIERARCHICAL, CATEGORIES, FLAT)
    assert len({name.key for name in names}) == len(names)


def test_several_descriptions_and_other_encodings() -> None:
    one = packet(listed("dc:subject", ["dog"]))
    both = one.replace(
        b" </rdf:RDF>",
        b'<rdf:Description xmlns:d="http://purl.org/dc/elements/1.1/" d:subject="cat"/></rdf:RDF>',
    )
    assert subjects(both) == ("dog", "cat")
    assert subjects(one + b"\0\0") == ("dog",)
    assert subjects(b"\xef\xbb\xbf" + one) == ("dog",)
    assert subjects(apple_photos("Düne").decode().replace("UTF-8", "UTF-16").encode("utf-16")) == ("Düne",)
    bare = one[one.index(b"<rdf:RDF") : one.index(b"</x:xmpmeta>")]
    assert subjects(bare) == ("dog",)


def test_keywords_of_the_parts_of_an_image_are_not_those_of_the_image() -> None:
    pantry = (
        '<xmpMM:Pantry xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"><rdf:Bag><rdf:li><rdf:Description>'
        f"{listed('dc:subject', ['cat'])}</rdf:Description></rdf:li></rdf:Bag></xmpMM:Pantry>"
    )
    assert subjects(packet(pantry + listed("dc:subject", ["dog"]) + pantry)) == ("dog",)
    assert read_xmp(packet(pantry)) == {}


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
EXTERNAL = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


@pytest.mark.parametrize(
    ("data", "reason", "line"),
    [
        (packet(listed("dc:subject", ["dog"]))[:-100], "malformed XML", None),
        (b"", "malformed XML .no element found", 1),
        (b"no XML", "malformed XML", 1),
        (b"\xff\xfe\x00", "malformed XML", 1),
        (packet("<dc:subject>\xe9</dc:subject>").replace(b"\xc3\xa9", b"\xe9"), "malformed XML", 5),
        (b'<?xml version="1.0" encoding="klingon"?><x/>', "malformed XML", 1),
        (b"<html><body>404</body></html>", "it has no element rdf:RDF", 1),
        (b"<a><b><rdf:RDF xmlns:rdf='%b'/></b></a>" % RDF.encode(), "it has no element rdf:RDF", 1),
        (BOMB, "document type or defines entities", 1),
        (EXTERNAL, "document type or defines entities", 1),
        (packet("\n<dc:subject><b>dog</b></dc:subject>"), "dc:subject contains the element 'b'", 6),
        (packet("<dc:subject><rdf:Bag><dc:x/></rdf:Bag></dc:subject>"), "contains the element 'x'", 5),
        (packet("<dc:subject><rdf:Bag><rdf:li><b>d</b></rdf:li></rdf:Bag></dc:subject>"), "element 'b'", 5),
        (
            packet("<dc:subject>x<rdf:Bag><rdf:li>d</rdf:li></rdf:Bag></dc:subject>"),
            "text outside its list",
            5,
        ),
    ],
)
def test_anything_else_is_refused_with_its_line_and_a_mend(
    data: bytes, reason: str, line: int | None
) -> None:
    with pytest.raises(MetadataError, match=reason) as caught:
        read_xmp(data)
    assert caught.value.reason.endswith("let the program that wrote it write it again")
    if line is not None:
        assert caught.value.line == line


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_damage_is_read_or_refused(place: int, value: int) -> None:
    data = bytearray(digikam("Animals/Dog", "Düne"))
    data[place % len(data)] = value
    try:
        assert all(isinstance(each, str) for texts in read_xmp(bytes(data)).values() for each in texts)
    except MetadataError as error:
        assert error.reason
    try:
        read_xmp(bytes(data[: place % len(data)]))
    except MetadataError as error:
        assert error.reason

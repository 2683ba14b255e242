"""The report page: well-formed, self-contained, and with all text escaped."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc._printable import printable_lines
from freeloc.errors import OutputError
from freeloc.visualization.html_report import Figure, Report, Section, Table, render_report, write_report

PNG = b"\x89PNG\r\n\x1a\n and so on"
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """A parser that rejects pages that are not well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def within(self, tag: str) -> list[str]:
        return [words for name, words in self.words if name == tag]


def whole() -> Report:
    table = Table(
        ("class", "mAP", "trained on", "interval"),
        (("cat", "80.1", "tags", "80.1 [79.0, 81.2]"), ("dog", "–", "boxes", "−3.5 ± 0.2")),
        "Numbers.",
        ("A note.", "Another."),
    )
    figures = (Figure(PNG, "A picture.", "a grey field"), Figure(SVG, "A chart.", "two bars"))
    return Report(
        "A <title> & more",
        ("First, see https://arxiv.org/abs/1311.2524.", "Second."),
        (Section("One", ("Text.",), (table,), figures), Section("Two", (), (table,), figures[:1])),
    )


def test_the_page_is_well_formed_and_holds_everything() -> None:
    page = Page(render_report(whole()))
    assert [tag for tag, _ in page.tags[:2]] == ["html", "head"]
    assert page.all("html") == [{"lang": "en"}]
    assert page.within("title") == page.within("h1") == ["A <title> & more"]
    assert page.within("h2") == ["One", "Two"]
    assert {"Table 1.", "Table 2.", "Figure 1.", "Figure 2.", "Figure 3."} == set(page.within("b"))
    assert [image["alt"] for image in page.all("img")] == ["a grey field", "two bars", "a grey field"]
    assert [words for words in page.within("td") if words == "80.1"] == ["80.1"] * 2
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [link["href"] for link in page.all("a")]
    assert links == ["#s1", "#s2"]  # the table of contents, but no address
    named = [attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes]
    assert named
    assert set(named) <= set(ids)


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = render_report(whole())
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        assert not any(name.startswith("on") for name in attributes)
        assert {"src", "srcset", "data", "background"} & attributes.keys() <= {"src"}
        assert "href" not in attributes or tag == "a"
    for image, data in zip(page.all("img"), (PNG, SVG, PNG), strict=True):
        head, _, body = str(image["src"]).partition(",")
        assert head in {"data:image/png;base64", "data:image/svg+xml;base64"}
        assert base64.b64decode(body) == data
    (style,) = page.within("style")
    assert not re.search(r"url\(|@import|https?:", style)
    assert "prefers-color-scheme: dark" in style
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert str(policy).startswith("default-src 'none'")


def test_numbers_stand_at_the_right_and_names_head_their_rows() -> None:
    page = Page(render_report(Report("t", (), whole().sections[:1])))
    columns = [head for head in page.all("th") if head["scope"] == "col"]
    assert [head.get("class") for head in columns] == [None, "n", None, "n"]
    assert [cell.get("class") for cell in page.all("td")] == ["n", None, "n"] * 2
    assert len([head for head in page.all("th") if head["scope"] == "row"]) == 2
    assert page.all("nav") == []  # one section needs no table of contents


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (("1", "–", ""), True),
        (("+1.5", "−0.4", "100 %", "1 234", "3.5×"), True),
        (("80.1 [79, 81]", "n/a"), True),
        (("–", ""), False),
        (("2012", "VOC 2012"), False),
        (("1 of the tags",), False),
    ],
)
def test_what_counts_as_a_column_of_numbers(cells: tuple[str, ...], numeric: bool) -> None:
    table = Table(("name", "value"), tuple(("row", cell) for cell in cells))
    page = Page(render_report(Report("t", (), (Section("s", (), (table,)),))))
    assert {cell.get("class") for cell in page.all("td")} == ({"n"} if numeric else {None})


@given(st.text(max_size=40))
@settings(max_examples=60)
def test_any_text_is_shown_as_it_is(words: str) -> None:
    words = f"<b>&amp;\"'{words}"
    table = Table((words, words), ((words, words),), words, (words,))
    report = Report(words, (words,), (Section(words, (words,), (table,), (Figure(PNG, words, words),)),) * 2)
    text = render_report(report)
    page = Page(text)
    text.encode()  # no character that a file cannot contain
    assert str(page.all("img")[0]["alt"]) == printable_lines(words)
    assert "".join(page.within("h1")).startswith("<b>&amp;\"'")
    assert page.all("b") == [{}] * 4  # only the numbers of the list


def test_bytes_that_are_no_letters_can_be_written(tmp_path: Path) -> None:
    write_report(tmp_path / "a.html", Report("image\udce9.jpg\x00"))
    assert r"image\xe9.jpg\x00" in (tmp_path / "a.html").read_text("utf-8")


@pytest.mark.parametrize(
    "name", ["https://evil.example/dog", "www.evil.example", "javascript:x()", "a@b.example"]
)
def test_a_name_is_never_a_link(name: str) -> None:
    """Class and file names may occur in any text of a report."""
    table = Table((name, name), ((name, name),), name, (name,))
    section = Section(name, (name,), (table,), (Figure(PNG, name, name),))
    page = Page(render_report(Report(name, (name,), (section,))))
    assert page.all("a") == []
    assert name in page.within("h1")


def test_the_same_report_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(tmp_path / "new" / f"{name}.html", whole())
    first, second = ((tmp_path / "new" / f"{name}.html").read_bytes() for name in ("a", "b"))
    assert first == second
    with pytest.raises(OutputError, match="cannot write"):
        write_report(tmp_path / "new", whole())


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="as many cells"):
        Table(("a", "b"), (("1",),))
    with pytest.raises(ValueError, match="as many cells"):
        Table((), ())
    with pytest.raises(ValueError, match="no alternative text"):
        Figure(PNG, "caption", " ")
    with pytest.raises(ValueError, match="PNG, JPEG or SVG"):
        Figure(b"GIF89a", "caption", "alt")

from __future__ import annotations

from pathlib import Path
from xml.sax.xmlreader import AttributesImpl

import pytest

from freeloc.datasets.xml_events import LineHandler, parse_xml, root_element
from freeloc.errors import MalformedFileError, MissingDatasetError


class Names(LineHandler):
    """Collects the line number and the name of each element."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - named by SAX
        self.found.append((self.line, name))


def test_elements_come_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text("<?xml version='1.0'?>\n<a>\n<b/>\n\n<c x='1'/></a>\n")
    handler = Names()
    assert handler.line == 1
    parse_xml(file, handler)
    assert handler.found == [(2, "a"), (3, "b"), (5, "c")]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"<a>\n<b></a>", 2, "malformed XML: mismatched tag"),
        (b"", 1, "malformed XML: no element found"),
        (b"<?xml version='1.0' encoding='x-none'?><a/>", 1, "malformed XML: unknown encoding"),
        (
            b"<!DOCTYPE a [<!ENTITY b 'c'>]>\n<a>&b;</a>",
            1,
            "the XML defines entities, which are not supported",
        ),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, content: bytes, line: int, reason: str) -> None:
    file = tmp_path / "a.xml"
    file.write_bytes(content)
    with pytest.raises(MalformedFileError) as caught:
        parse_xml(file, Names())
    assert (caught.value.file, caught.value.line) == (file, line)
    assert caught.value.reason.startswith(reason)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDatasetError, match="a.xml"):
        parse_xml(tmp_path / "a.xml", Names())


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("<annotations>", "annotations"),
        ("\ufeff<?xml version='1.0'?>\n<!-- <b> -->\n<!DOCTYPE a>\n <a b='c'/>", "a"),
        ("<ns:a.b-c/>", "ns:a.b-c"),
        ("text <a>", ""),
        ("", ""),
        ("<", ""),
    ],
)
def test_the_first_element_is_found(tmp_path: Path, text: str, root: str) -> None:
    file = tmp_path / "a.xml"
    file.write_text(text, encoding="utf-8")
    assert root_element(file) == root

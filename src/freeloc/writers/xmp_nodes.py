"""The elements of an XMP document, with their places in its bytes, so that parts of it can be changed alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from xml.parsers import expat

__all__ = ["LISTS", "RDF", "XmpName", "XmpNode", "parse_nodes"]

XmpName: TypeAlias = tuple[str, str]
"""A namespace without its final slash, which some programs omit, and a name in lower case."""

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
LISTS: Final = frozenset({(RDF, "bag"), (RDF, "seq"), (RDF, "alt")})


@dataclass
class XmpNode:
    """An element.

    Attributes:
        name: its name.
        attributes: the prefix and the value of each attribute.
        start: index of the first byte of its start tag.
        content: index of the first byte after the start tag.
        content_end: index of the first byte of its end tag; that after the start tag if it has no end tag.
        end: index of the first byte after the element.
        is_closed_at_once: whether it has no end tag.
        children: the elements in it.
        text: the text between these.
    """

    name: XmpName
    attributes: dict[XmpName, tuple[str, str]]
    start: int
    content: int = -1
    content_end: int = -1
    end: int = -1
    is_closed_at_once: bool = False
    children: list[XmpNode] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator[XmpNode]:
        """Yield the element and all elements in it."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending += reversed(node.children)


def parse_nodes(data: bytes) -> XmpNode:
    """Return the root element of a document.

    Args:
        data: the document in UTF-8, which `freeloc.datasets.keywords.xmp_packet.read_xmp` has accepted.

    Raises:
        ValueError: the document is in another encoding.
    """
    data.decode()
    if b"\0" in data[:4]:
        raise ValueError("it is UTF-16")
    return _Parser(data).root


class _Parser:
    """Builds the elements of a document from the events of expat, which states where each begins."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._document = XmpNode(("", ""), {}, 0)
        self._open = [self._document]
        self._begun: XmpNode | None = None
        self._expat = expat.ParserCreate(namespace_separator=" ")
        self._expat.namespace_prefixes = True
        self._expat.XmlDeclHandler = self._declare
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters
        self._expat.DefaultHandler = self._other
        self._expat.Parse(data.rstrip(b"\0"), True)

    @property
    def root(self) -> XmpNode:
        return self._document.children[0]

    def _declare(self, version: str, encoding: str | None, standalone: int) -> None:  # noqa: ARG002 - expat's
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
            raise ValueError(f"its encoding is {encoding}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._finish_tag()
        named = {_parse_name(key)[0]: (_parse_name(key)[1], value) for key, value in attributes.items()}
        node = XmpNode(_parse_name(name)[0], named, self._expat.CurrentByteIndex)
        self._open[-1].children.append(node)
        self._open.append(node)
        self._begun = node

    def _end(self, name: str) -> None:  # noqa: ARG002 - expat's
        index = self._expat.CurrentByteIndex
        was_begun = self._begun is not None
        self._finish_tag()
        node = self._open.pop()
        node.content_end = index
        # Expat reports the end of an element without an end tag behind its only tag.
        node.is_closed_at_once = was_begun and self._data[index - 2 : index] == b"/>"
        node.end = index if node.is_closed_at_once else self._data.index(b">", index) + 1

    def _characters(self, text: str) -> None:
        self._finish_tag()
        self._open[-1].text += text

    def _other(self, text: str) -> None:  # noqa: ARG002 - expat's
        self._finish_tag()

    def _finish_tag(self) -> None:
        """Note where the start tag before the current event has ended."""
        if self._begun is not None:
            self._begun.content = self._expat.CurrentByteIndex
            self._begun = None


def _parse_name(text: str) -> tuple[XmpName, str]:
    """Return a name and its prefix from expat's ``NAMESPACE NAME PREFIX``; only the name is always there."""
    match text.split(" "):
        case [namespace, name, prefix]:
            return (namespace.rstrip("/"), name.lower()), prefix
        case [namespace, name]:
            return (namespace.rstrip("/"), name.lower()), ""
        case _:
            return ("", text.lower()), ""

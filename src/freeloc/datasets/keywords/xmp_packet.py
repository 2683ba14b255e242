"""Parse XMP: an XML document, in an image or a sidecar, in which programs store keywords as properties."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Final
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesNSImpl, InputSource, Locator

from defusedxml import DefusedXmlException
from defusedxml.expatreader import create_parser

from freeloc.datasets.keywords.metadata_error import MetadataError

__all__ = ["CATEGORIES", "EXTENSION", "FLAT", "HIERARCHICAL", "KeywordProperty", "read_xmp"]

_Name = tuple[str | None, str]


@dataclass(frozen=True, slots=True)
class KeywordProperty:
    """A property of XMP that contains keywords.

    Attributes:
        name: its usual name, with its prefix.
        namespace: its namespace, without a final slash, which some programs omit.
        separator: what separates the levels of a keyword.
    """

    name: str
    namespace: str
    separator: str

    @property
    def key(self) -> tuple[str, str]:
        """The namespace and the name in lower case; programs differ in their case."""
        return self.namespace, self.name.split(":")[1].lower()


HIERARCHICAL: Final = (
    KeywordProperty("digiKam:TagsList", "http://www.digikam.org/ns/1.0", "/"),
    KeywordProperty("MicrosoftPhoto:LastKeywordXMP", "http://ns.microsoft.com/photo/1.0", "/"),
    KeywordProperty("lr:hierarchicalSubject", "http://ns.adobe.com/lightroom/1.0", "|"),
    KeywordProperty("mediapro:CatalogSets", "http://ns.iview-multimedia.com/mediapro/1.0", "|"),
    KeywordProperty("expressionmedia:CatalogSets", "http://ns.microsoft.com/expressionmedia/1.0", "|"),
)
"""The properties with levels, in the order in which digiKam prefers them."""

CATEGORIES: Final = KeywordProperty("acdsee:categories", "http://ns.acdsee.com/iptc/1.0", "")
"""A property with levels as an XML document; see `freeloc.datasets.keywords.acdsee_categories`."""

FLAT: Final = KeywordProperty("dc:subject", "http://purl.org/dc/elements/1.1", "|")
"""The property that all programs write. Its keywords have no levels, unless a program writes whole paths there."""

EXTENSION: Final = KeywordProperty("xmpNote:HasExtendedXMP", "http://ns.adobe.com/xmp/note", "")
"""A property that contains no keywords, but the GUID of a packet that may: the extended one of a JPEG file."""

_PROPERTIES: Final = {each.key: each for each in (*HIERARCHICAL, CATEGORIES, FLAT, EXTENSION)}

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_ROOT: Final = (_RDF, "RDF")
_DESCRIPTION: Final = (_RDF, "Description")
_VALUE: Final = (_RDF, "value")
_LISTS: Final = ((_RDF, "Bag"), (_RDF, "Seq"), (_RDF, "Alt"))
_ITEM: Final = (_RDF, "li")

_ADVICE: Final = "let the program that wrote it write it again"


def read_xmp(data: bytes) -> dict[KeywordProperty, tuple[str, ...]]:
    """Return the keywords in an XMP document by the property that contains them.

    The keywords of a property are a list (``rdf:Bag``, ``rdf:Seq`` or ``rdf:Alt``), or a single keyword as text or
    as an attribute. Properties that describe other images, such as the parts of a collage, are ignored.

    Args:
        data: the document, with or without the padding that follows it in an image.

    Raises:
        MetadataError: the document is not well-formed, defines entities or has a document type, is not XMP, or a
            property contains something else than keywords.
    """
    handler = _XmpHandler()
    source = InputSource()
    is_utf_16 = b"\0" in data[:4]
    source.setByteStream(BytesIO(data if is_utf_16 else data.rstrip(b"\0")))
    parser = create_parser(namespaceHandling=1, forbid_dtd=True)
    parser.setContentHandler(handler)
    try:
        parser.parse(source)
    except SAXParseException as error:
        raise MetadataError(
            f"malformed XML ({error.getMessage()}): {_ADVICE}", error.getLineNumber()
        ) from error
    except DefusedXmlException as error:
        reason = f"the XML has a document type or defines entities, which XMP does not allow: {_ADVICE}"
        raise MetadataError(reason, handler.line) from error
    except (LookupError, ValueError) as error:
        raise MetadataError(f"malformed XML ({error}): {_ADVICE}", handler.line) from error
    if not handler.is_xmp:
        raise MetadataError(f"this is not XMP, because it has no element rdf:RDF: {_ADVICE}", 1)
    return {name: tuple(keywords) for name, keywords in handler.keywords.items()}


class _XmpHandler(ContentHandler):
    """SAX handler that collects the keywords of ``rdf:RDF/rdf:Description/PROPERTY``.

    The element ``rdf:RDF`` is the root of the document, or a child of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keywords: dict[KeywordProperty, list[str]] = {}
        self.is_xmp = False
        self._outside = 0  # number of open elements around rdf:RDF
        self._path: list[_Name] = []  # from rdf:RDF on
        self._property: KeywordProperty | None = None
        self._texts: list[list[str]] = []  # of the property and each open element inside it
        self._value: str | None = None  # of a keyword that has qualifiers
        self._has_list = False  # whether the property contains a list
        self._locator: Locator | None = None

    @property
    def line(self) -> int:
        """The parser's current line number."""
        return (self._locator.getLineNumber() if self._locator else None) or 1

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - named by SAX
        self._locator = locator

    def startElementNS(  # noqa: N802 - named by SAX
        self,
        name: _Name,
        qname: str | None,  # noqa: ARG002 - named by SAX
        attrs: AttributesNSImpl,
    ) -> None:
        if not self._path and (name != _ROOT or self._outside > 1):
            self._outside += 1
            return
        self._path.append(name)
        self.is_xmp = True
        if len(self._path) == 2 and name == _DESCRIPTION:
            for attribute, text in attrs.items():
                if (found := _find(attribute)) is not None:
                    self._add(found, text)
        elif len(self._path) == 3 and self._path[1] == _DESCRIPTION:
            self._property = _find(name)
        if self._property is not None:
            self._has_list = self._has_list or name in _LISTS
            self._check(self._property, self._path[3:])
            self._texts.append([])

    def characters(self, content: str) -> None:
        if self._texts:
            self._texts[-1].append(content)

    def endElementNS(self, name: _Name, qname: str | None) -> None:  # noqa: N802, ARG002 - named by SAX
        if not self._path:
            self._outside -= 1
            return
        if self._property is not None:
            text = "".join(self._texts.pop())
            if name == _VALUE:
                self._value = text
            elif name == _ITEM or not self._texts:
                if self._has_list and name != _ITEM and text.strip():
                    raise MetadataError(
                        f"{self._property.name} contains text outside its list: {_ADVICE}", self.line
                    )
                self._add(self._property, text if self._value is None else self._value)
                self._value = None
            if not self._texts:
                self._property, self._has_list = None, False
        self._path.pop()

    def _check(self, name: KeywordProperty, inner: list[_Name]) -> None:
        """Check that a property contains a list of items or a value, each with or without qualifiers."""
        match inner:
            case [] | [_, _, _, _, *_]:
                return
            case [part] if part in (*_LISTS, _VALUE):
                return
            case [_, part] if part == _ITEM:
                return
            case [_, _, part] if part in (_VALUE, _DESCRIPTION) or self._value is not None:
                return
        raise MetadataError(
            f"{name.name} contains the element {inner[-1][1]!r}, and not only keywords: {_ADVICE}", self.line
        )

    def _add(self, name: KeywordProperty, text: str) -> None:
        keywords = self.keywords.setdefault(name, [])
        if text.strip():
            keywords.append(text.strip())


def _find(name: _Name) -> KeywordProperty | None:
    namespace, local = name
    return _PROPERTIES.get(((namespace or "").rstrip("/"), local.lower()))

"""What an XMP document contains about predictions: keywords, and image regions of the IPTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from freeloc.datasets.class_names import fold_name
from freeloc.datasets.keywords.keyword_paths import KeywordPath
from freeloc.datasets.keywords.xmp_packet import FLAT, HIERARCHICAL, KeywordProperty
from freeloc.geometry.box import Corners
from freeloc.writers.xml_text import xml_attributes

__all__ = [
    "KEYWORD_LISTS",
    "REGION",
    "REGION_ID",
    "KeywordList",
    "description",
    "keyword_items",
    "new_document",
    "new_keywords",
    "region_item",
]

REGION: Final = "Iptc4xmpExt:ImageRegion"
REGION_ID: Final = "freeloc-"
"""What the IDs of freeloc's regions begin with."""

_NAMESPACES: Final = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
}

_START: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
)
_END: Final = '</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>\n'


@dataclass(frozen=True)
class KeywordList:
    """A property in which keywords are written.

    Attributes:
        property: the property.
        kind: what kind of list it is, "Bag" or "Seq".
    """

    property: KeywordProperty
    kind: str


_BY_NAME: Final = {each.name: each for each in HIERARCHICAL}
KEYWORD_LISTS: Final = (
    KeywordList(_BY_NAME["digiKam:TagsList"], "Seq"),
    KeywordList(_BY_NAME["lr:hierarchicalSubject"], "Bag"),
    KeywordList(FLAT, "Bag"),
)
"""The properties in which keywords are written: no program reads all of them."""


def keyword_items(each: KeywordList, paths: Iterable[KeywordPath], names: Iterable[str]) -> list[str] | None:
    """Return the items of a property that contains keywords and the names of classes.

    Args:
        each: the property.
        paths: keywords that an image already has.
        names: names of classes.

    Returns:
        None if the property cannot contain a keyword, because a level contains its separator. It is then not
        written at all: programs that prefer it to others would no longer see this keyword.
    """
    if each.property == FLAT:
        items = [path[-1] for path in paths]
    else:
        items = [each.property.separator.join(path) for path in paths]
        if any(each.property.separator in level for path in paths for level in path):
            return None
    return list(dict.fromkeys([*items, *new_keywords(items, names, each.property)]))


def new_keywords(items: Iterable[str], names: Iterable[str], of: KeywordProperty) -> list[str]:
    """Return the names of classes that no item of a property has as its last level, ignoring case."""
    known = {fold_name(item.split(of.separator)[-1].strip()) for item in items}
    return [name for name in names if fold_name(name) not in known]


def description(
    keywords: Mapping[KeywordList, Sequence[str]], regions: Sequence[str], about: str = ""
) -> str:
    """Return an element that contains properties of an image.

    Args:
        keywords: the items of each property.
        regions: image regions; see `region_item`.
        about: what the document says that it is about.
    """
    lines = [
        _list_of(each.property.name, each.kind, [f"<rdf:li>{escape(item)}</rdf:li>" for item in items])
        for each, items in keywords.items()
    ]
    if regions:
        lines.append(_list_of(REGION, "Bag", regions))
    namespaces = xml_attributes(**{f"xmlns:{prefix}": uri for prefix, uri in _NAMESPACES.items()})
    start = f"<rdf:Description{namespaces}{xml_attributes(**{'rdf:about': about})}>"
    return "\n".join([start, *lines, "</rdf:Description>\n"])


def new_document(keywords: Mapping[KeywordList, Sequence[str]], regions: Sequence[str]) -> str:
    """Return a document that contains nothing else; see `description`."""
    return _START + description(keywords, regions) + _END


def region_item(number: int, name: str, sides: Corners) -> str:
    """Return an image region of the IPTC, as an item of a list.

    Args:
        number: number of the region.
        name: the class.
        sides: left edge, top edge, width and height as fractions of the sides of the image as it is stored.
    """
    left, top, width, height = sides
    boundary = {
        "rbShape": "rectangle",
        "rbUnit": "relative",
        "rbX": f"{left:.6f}",
        "rbY": f"{top:.6f}",
        "rbW": f"{width:.6f}",
        "rbH": f"{height:.6f}",
    }
    fields = "".join(f"<Iptc4xmpExt:{key}>{value}</Iptc4xmpExt:{key}>" for key, value in boundary.items())
    # In the document of another program, the prefixes may have another meaning, or none.
    namespaces = xml_attributes(
        **{f"xmlns:{prefix}": _NAMESPACES[prefix] for prefix in ("Iptc4xmpExt", "rdf")}
    )
    return (
        f'<rdf:li{namespaces} rdf:parseType="Resource">'
        f'<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">{fields}</Iptc4xmpExt:RegionBoundary>'
        f"<Iptc4xmpExt:rId>{REGION_ID}{number}</Iptc4xmpExt:rId>"
        f'<Iptc4xmpExt:Name><rdf:Alt><rdf:li xml:lang="x-default">{escape(name)}</rdf:li></rdf:Alt>'
        "</Iptc4xmpExt:Name></rdf:li>"
    )


def _list_of(element: str, kind: str, items: Sequence[str]) -> str:
    return "\n".join([f"<{element}><rdf:{kind}>", *items, f"</rdf:{kind}></{element}>"])

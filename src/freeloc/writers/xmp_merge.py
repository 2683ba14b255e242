"""Add keywords and image regions to the XMP document of another program, of which everything else is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from freeloc.datasets.keywords.keyword_paths import KeywordPath
from freeloc.datasets.keywords.metadata_error import MetadataError
from freeloc.datasets.keywords.xmp_packet import read_xmp
from freeloc.writers.xmp_document import (
    KEYWORD_LISTS,
    REGION_ID,
    KeywordList,
    description,
    keyword_items,
    new_keywords,
)
from freeloc.writers.xmp_nodes import LISTS, RDF, XmpName, XmpNode, parse_nodes

__all__ = ["merge_into_document"]

_IPTC: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29"
_REGION: Final = (_IPTC, "imageregion")
_REGION_ID: Final = (_IPTC, "rid")
_RDF_ROOT: Final = (RDF, "rdf")
_DESCRIPTION: Final = (RDF, "description")
_TAG: Final = re.compile(rb"<([^\s/>]+)")
_ABOUT: Final = ((RDF, "about"), ("", "about"))

_Edit = tuple[int, int, bytes]
"""The first byte that is replaced, the first one after it that is not, and what replaces them."""


def merge_into_document(
    data: bytes, names: Sequence[str], paths: Sequence[KeywordPath], regions: Sequence[str]
) -> bytes:
    """Return an XMP document with the names of classes among its keywords, and with image regions.

    All other bytes remain as they are. A property that contains keywords gets those names that none of its
    keywords has as its last level. Since programs read only the property that they prefer, one that is missing is
    added with all keywords of the image. Regions of an earlier prediction are removed.

    Args:
        data: the document.
        names: the names of classes.
        paths: the keywords that the image already has.
        regions: the regions; see `freeloc.writers.xmp_document.region_item`. Without any, those in the document
            remain.

    Raises:
        MetadataError: the document cannot be read, or is not UTF-8.
    """
    found = read_xmp(data)
    try:
        root = parse_nodes(data)
    except ValueError as error:
        reason = (
            f"keywords can only be added to UTF-8 ({error}): let the program that wrote it write it again"
        )
        raise MetadataError(reason, 1) from error
    rdf = next(node for node in (root, *root.children) if node.name == _RDF_ROOT)
    descriptions = [node for node in rdf.children if node.name == _DESCRIPTION]
    edits: list[_Edit] = []
    added: dict[KeywordList, list[str]] = {}
    for each in KEYWORD_LISTS:
        texts = found.get(each.property, ())
        missing = new_keywords(texts, names, each.property)
        container = _list_of(descriptions, each.property.key)
        if texts and container is not None:
            tag = _tag(data, container)
            item = f"{tag[:-3]}li"  # with the prefix of the list
            edits += _append(data, container, [f"<{item}>{escape(name)}</{item}>" for name in missing])
            continue
        edits += _remove(data, descriptions, each.property.key)
        items = [*texts, *missing] if texts else keyword_items(each, paths, names)
        if items is not None:
            added[each] = items
    container = _list_of(descriptions, _REGION) if regions else None
    if container is not None:
        edits += _remove_earlier_regions(data, container)
        edits += _append(data, container, regions)
    new_regions = regions if container is None else ()
    if added or new_regions:
        about = next(filter(None, map(_about, descriptions)), "")
        edits += _append(data, rdf, [description(added, new_regions, about).rstrip("\n")])
    return _apply(data, edits)


def _list_of(descriptions: Sequence[XmpNode], name: XmpName) -> XmpNode | None:
    """Return the first list that a property consists of; None if it is missing, or no list."""
    lists = (
        part
        for description_ in descriptions
        for node in description_.children
        if node.name == name
        for part in node.children
        if part.name in LISTS
    )
    return next(lists, None)


def _append(data: bytes, node: XmpNode, elements: Sequence[str]) -> Iterator[_Edit]:
    """Yield the edit that adds elements to the end of another one."""
    if not elements:
        return
    text = "".join(f"{element}\n" for element in elements).encode()
    if node.is_closed_at_once:
        yield node.end - len(b"/>"), node.end, b">" + text + f"</{_tag(data, node)}>".encode()
    else:
        yield node.content_end, node.content_end, text


def _remove(data: bytes, descriptions: Sequence[XmpNode], name: XmpName) -> Iterator[_Edit]:
    """Yield the edits that remove a property, which may also be an attribute."""
    for node in descriptions:
        for part in node.children:
            if part.name == name:
                yield part.start, part.end, b""
        if name in node.attributes:
            prefix = re.escape(node.attributes[name][0].encode())
            pattern = rb"\s" + prefix + b":" + re.escape(name[1].encode()) + rb"\s*=\s*(\"[^\"]*\"|'[^']*')"
            match = re.compile(pattern, re.IGNORECASE).search(data, node.start, node.content)
            if match is not None:
                yield match.start(), match.end(), b""


def _remove_earlier_regions(data: bytes, container: XmpNode) -> Iterator[_Edit]:
    for item in container.children:
        ids = [node.text for node in item.walk() if node.name == _REGION_ID]
        ids += [node.attributes[_REGION_ID][1] for node in item.walk() if _REGION_ID in node.attributes]
        if any(each.strip().startswith(REGION_ID) for each in ids):
            # With the line break that was written behind it.
            yield item.start, item.end + (data[item.end : item.end + 1] == b"\n"), b""


def _about(node: XmpNode) -> str:
    return next((node.attributes[name][1] for name in _ABOUT if name in node.attributes), "")


def _tag(data: bytes, node: XmpNode) -> str:
    """Return the name of an element as it is written, with its prefix."""
    match = _TAG.match(data, node.start)
    return "" if match is None else match[1].decode()


def _apply(data: bytes, edits: Sequence[_Edit]) -> bytes:
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text + data[end:]
    return data

"""Parse the categories of ACDSee: an XML document in a property of XMP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from freeloc.datasets.keywords.metadata_error import MetadataError

__all__ = ["read_categories"]

_CATEGORY: Final = "Category"
_MAX_LEVELS: Final = 100


def read_categories(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the categories that are assigned to an image, each with the levels above it.

    Raises:
        MetadataError: the text is not the XML that ACDSee writes.

    Example:
        >>> dog = '<Category Assigned="1">Dog</Category>'
        >>> read_categories(f'<Categories><Category Assigned="0">Animals{dog}</Category></Categories>')
        (('Animals', 'Dog'),)
    """
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise MetadataError(
            f"acdsee:categories is not the XML that ACDSee writes ({error}): let it write it again"
        ) from error
    return tuple(_assigned(root, ()))


def _assigned(element: Element, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if len(above) > _MAX_LEVELS:
        raise MetadataError(
            f"acdsee:categories has more than {_MAX_LEVELS} levels: let ACDSee write it again"
        )
    for category in element.iterfind(_CATEGORY):
        path = (*above, category.text or "")
        if category.get("Assigned") == "1":
            yield path
        yield from _assigned(category, path)
